"""The rules of single sign-on: values in, values out."""
