"""The sandbox provider's page and the job that sends its webhooks; its books and API are in ``portal.gateways.payments``."""
