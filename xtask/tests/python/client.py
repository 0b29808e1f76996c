"""A student's tcp-hello client, right or wrong in one of five ways.

    python3 client.py right|wrong-question|no-question|closes-early|crashes|wrong-port IP:PORT
"""
import socket
import sys

fault, address = sys.argv[1], sys.argv[2]
host, port = address.rsplit(":", 1)

client = socket.socket()
if fault == "wrong-port":
    port = 1
client.connect((host, int(port)))
if fault == "closes-early":
    client.close()
    sys.exit()
if fault == "no-question":
    client.recv(1024)
if fault == "crashes":
    client.send("hello!")
client.send(b"hallo!" if fault == "wrong-question" else b"hello!")
print(client.recv(1024))
client.close()
