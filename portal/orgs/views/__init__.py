"""Pages of organizations, a module and a blueprint per noun."""
