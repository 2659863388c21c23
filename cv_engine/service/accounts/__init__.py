"""Accounts: who may log in, with which role and where; passwords, sessions and tokens.

Whatever proves who somebody is (password, session, token, link) is compared with a digest: no one
who reads the database can log in with what is there.
"""
