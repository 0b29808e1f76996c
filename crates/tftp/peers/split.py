# Starts a server that wants address and port apart: split.py IP:PORT PROGRAM … IP … PORT …
import os
import sys

ip, port = sys.argv[1].rsplit(':', 1)
words = [{'IP': ip, 'PORT': port}.get(word, word) for word in sys.argv[2:]]
os.execvp(words[0], words)
