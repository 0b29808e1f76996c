# From the tutorial "SOCKET模块" (seed 002, "QQ聊天 -- server端").
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import socket
import sys

host, port = (sys.argv[1:] or ['127.0.0.1:9999'])[0].rsplit(':', 1)

so = socket.socket(type=socket.SOCK_DGRAM)  # UDP方式的套接字
so.bind((host, int(port)))                  # 绑定自己的端口
while True:                                 # 循环接收的各个地方
    msg,addr = so.recvfrom(4096)            # 接收得方法.
    print(addr)
    print(msg.decode('UTF-8'))
    info = input('>>>').encode('UTF-8')
    so.sendto(info,addr)                    # UDP再发送值得时候需要再加上一个地址
so.close()

# udp的server 不需要进行监听也不需要建立连接
# 再启动服务之后之只能被动的等待客户端发送消息过来
# 客服端发送消息的同时还会自带地址信息
# 消息回复的时候需要带上地址
