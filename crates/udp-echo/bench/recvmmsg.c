/* An echo server in C with recvmmsg(2) and sendmmsg(2), for `cargo xtask bench udp-echo` to compare
 * `--mode batch` with. Up to 64 datagrams in a call. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 64, ROOM = 65536 };
static char data[SLOTS][ROOM];
static struct sockaddr_in names[SLOTS];
static struct iovec vecs[SLOTS];
static struct mmsghdr headers[SLOTS];
static volatile sig_atomic_t stopped;
static void stop(int signal) { stopped = signal; }

int main(void)
{
    unsigned long datagrams = 0, calls = 0;
    struct sockaddr_in own = { .sin_family = AF_INET };
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
    int touched = SLOTS;
    while (!stopped) {
        for (int i = 0; i < touched; i++) {
            vecs[i] = (struct iovec) { data[i], ROOM };
            headers[i].msg_hdr = (struct msghdr) { &names[i], sizeof names[i], &vecs[i], 1, NULL, 0, 0 };
        }
        int n = recvmmsg(fd, headers, SLOTS, MSG_WAITFORONE, NULL);
        calls++;
        touched = n > 0 ? n : 0;
        for (int i = 0; i < touched; i++)
            vecs[i].iov_len = headers[i].msg_len;
        for (int sent = 0, k; sent < touched; sent += k > 0 ? k : 1, calls++)
            k = sendmmsg(fd, headers + sent, (unsigned)(touched - sent), 0);
        datagrams += (unsigned long)touched;
    }
    fprintf(stderr, "statistics: datagrams %lu, system calls %lu\n", datagrams, calls);
    return EXIT_SUCCESS;
}
