"""Stand-ins for the provider plugins of services that cannot run on one machine (Vercel, GitHub).

`server` speaks the provider protocol, `schema` takes names and types from the installed SDKs, `account`
keeps the objects, `kinds` says what one resource type is, `vercel` and `github` hold the rules of each
service, `seeds` fills a new account, `api` answers the list calls that `operations adopt` makes.
"""
