"""Practises it all on this machine: the engine, stand-ins, and accounts and Docker hosts to practise on."""
