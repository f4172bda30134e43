"""Who can be asked: accounts at Vercel and GitHub, Docker hosts, monitor, issues."""
