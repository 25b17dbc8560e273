/* The floor: asks for the same dump as ctkeeper and throws it away. Usage: floor FAMILY STATUS MASK */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <linux/netfilter/nfnetlink.h>

static char buf[32768];

static void put32(struct nlmsghdr *h, int type, uint32_t value)
{
	struct nlattr *a = (void *)((char *)h + h->nlmsg_len);
	a->nla_type = type;
	a->nla_len = 8;
	value = htonl(value);
	memcpy(a + 1, &value, 4);
	h->nlmsg_len += 8;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	struct nlmsghdr *h = (void *)buf;
	struct nfgenmsg *g = NLMSG_DATA(h);
	if (fd < 0 || argc < 4)
		return 1;
	h->nlmsg_len = NLMSG_LENGTH(sizeof *g);
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | 1;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	g->nfgen_family = atoi(argv[1]);
	if (atoi(argv[3])) {
		put32(h, 3, atoi(argv[2]));
		put32(h, 26, atoi(argv[3]));
	}
	if (send(fd, buf, h->nlmsg_len, 0) < 0)
		return 1;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);
		if (n <= 0)
			return 1;
		for (h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			else if (h->nlmsg_type == NLMSG_ERROR)
				return 1;
	}
}
