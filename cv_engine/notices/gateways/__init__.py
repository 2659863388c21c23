"""Gateways: how the text message of a notice leaves."""
