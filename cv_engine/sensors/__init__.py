"""Sensors on things of the street: their messages by MQTT become findings with a place."""
