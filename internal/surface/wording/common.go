package wording

// commonText are the sentences that several commands share.
var commonText = []sentence{
	{"needs_root", "run as root to read it", "à lire en root"},
	{"needs_net_admin", "needs CAP_NET_ADMIN", "demande CAP_NET_ADMIN"},
}
