/* Reads the events of new flows and throws them away: the floor of following. */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[32768];
	struct sockaddr_nl me = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_CONNTRACK_NEW, size = 64 << 20, fd;
	long seen = 0, lost = 0;
	struct pollfd end = {.fd = 0, .events = POLLIN};

	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof me) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group)) {
		perror("events");
		return 1;
	}
	struct timeval wait = {.tv_usec = 100000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	fprintf(stderr, "ready\n");
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);
		if (n < 0 && errno == ENOBUFS) {
			lost++;
			continue;
		}
		if (n < 0) {
			if (poll(&end, 1, 0) > 0)
				break; /* standard input ended */
			continue;
		}
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
			seen++;
	}
	fprintf(stderr, "%ld %ld\n", seen, lost);
	return 0;
}
