"""The driver's notice: one text message that asks to leave, and what follows from it."""
