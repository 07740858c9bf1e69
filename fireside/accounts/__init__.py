"""Who somebody is: users, login sessions, API keys, invitations."""
