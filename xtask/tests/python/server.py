"""A student's tcp-hello server, right or wrong in one of five ways.

    python3 server.py right|wrong-answer|no-answer|closes-early|crashes|never-listens IP:PORT
"""
import socket
import sys

fault, address = sys.argv[1], sys.argv[2]
host, port = address.rsplit(":", 1)

server = socket.socket()
if fault == "never-listens":
    sys.stdin.read()
    sys.exit()
server.bind((host, int(port)))
server.listen()
connection, client = server.accept()
if fault == "closes-early":
    connection.recv(1024)
    connection.close()
    sys.exit()
question = connection.recv(1024)
print("received", question)
if fault == "no-answer":
    connection.recv(1024)
if fault == "crashes":
    connection.send("hi")
connection.send(b"hey" if fault == "wrong-answer" else b"hi")
connection.close()
