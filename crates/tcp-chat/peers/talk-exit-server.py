# From the tutorial "网络编程" (seed 001, §3.3.3, 服务器端代码).
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import sys
from socket import *

host, port = (sys.argv[1:] or [':8008'])[0].rsplit(':', 1)

server_socket = socket(AF_INET, SOCK_STREAM)
server_socket.bind((host, int(port)))
server_socket.listen(1)

while True:
    new_socket, client_host_post = server_socket.accept()

    while True:
        recv_data = new_socket.recv(1024)
        if len(recv_data) > 0:
            print('客户端：', recv_data.decode('utf-8'))
        if recv_data.decode('utf-8') == 'exit':
            print('客户端已经退出！')
            break

        # 发送数据给客户端
        send_data = input('send:')
        if len(send_data) > 0:
            new_socket.send(send_data.encode('utf-8'))
    new_socket.close()

server_socket.close()
