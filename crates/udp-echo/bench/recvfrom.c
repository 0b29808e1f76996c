/* The plainest echo server in C, for `cargo xtask bench udp-echo` to compare `--mode simple` with.
 * recvfrom(2) and sendto(2), one datagram at a time. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static void stop(int signal) { stopped = signal; }

int main(void)
{
    static char data[65536];
    unsigned long datagrams = 0, calls = 0;
    struct sockaddr_in own = { .sin_family = AF_INET }, client;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof own;
    int room = 1 << 20;

    /* Without SA_RESTART: the signal must end the receive that it interrupts. */
    struct sigaction on_stop = { .sa_handler = stop };
    sigaction(SIGTERM, &on_stop, NULL);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) || getsockname(fd, (struct sockaddr *)&own, &len)) {
        perror("bind");
        return EXIT_FAILURE;
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(own.sin_port));
    fflush(stdout);
    while (!stopped) {
        len = sizeof client;
        ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&client, &len);
        calls++;
        if (n < 0)
            continue;
        datagrams++;
        sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&client, len);
        calls++;
    }
    fprintf(stderr, "statistics: datagrams %lu, system calls %lu\n", datagrams, calls);
    return EXIT_SUCCESS;
}
