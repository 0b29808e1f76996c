# From the tutorial "网编" (seed 004, "打电话模型", 客户端).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

ip_port = (host, int(port))
BUFSIZE = 1024
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

client.connect_ex(ip_port)  # 拨电话

client.send('dream is handsome'.encode('utf-8'))  # 发消息,说话(只能发送字节类型)

feedback = client.recv(BUFSIZE)  # 收消息,听话
print(feedback.decode('utf-8'))

client.close()  # 挂电话
