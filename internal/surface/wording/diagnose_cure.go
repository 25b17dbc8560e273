package wording

// diagnoseCureText are the cures of doctor.
var diagnoseCureText = map[string]text{
	"cure_raise": {
		"Raise max from {old:count} to {max:count} (at most {bytes:bytes} of memory):",
		"Relever le maximum de {old:count} à {max:count} (au plus {bytes:bytes} de mémoire) :",
	},
	"cure_no_memory": {
		"Raising max to {value:count} would take {bytes:bytes} of {ram:bytes} of memory; relieve the table first:",
		"Relever le maximum à {value:count} prendrait {bytes:bytes} sur {ram:bytes} de mémoire ; soulager d’abord la table :",
	},
	"cure_on_host": {
		"max (now {max:count}) and buckets belong to the whole machine and can be set in its first network namespace only; on the host, run:",
		"Le maximum (à présent {max:count}) et les buckets appartiennent à toute la machine et ne se règlent que dans son premier espace de noms réseau ; sur l’hôte, lancer :",
	},
	"cure_set_max": {"Set max to {max:count}:", "Poser le maximum à {max:count} :"},
	"cure_plan":    {"See all that would help, with reasons and cost:", "Voir tout ce qui aiderait, avec raisons et coût :"},
	"cure_as_root": {"Run as root to read it:", "Lancer en root pour le lire :"},
	"cure_buckets": {
		"Let buckets follow max: {buckets:count} ({bytes:bytes}; the table is re-hashed once):",
		"Faire suivre les buckets : {buckets:count} ({bytes:bytes} ; la table est rehachée une fois) :",
	},
	"cure_expect_max": {"Raise expect_max to {max:count}:", "Relever expect_max à {max:count} :"},
	"cure_half_open": {
		"Let half-open connections go sooner; an honest handshake takes a second or two:",
		"Laisser partir plus tôt les connexions à demi ouvertes ; une ouverture honnête prend une ou deux secondes :",
	},
	"cure_flood_synproxy": {
		"Keep floods out of the table: drop the sources above before tracking (table raw, or nft priority below -300 with notrack), or answer SYNs with synproxy.",
		"Tenir l’inondation hors de la table : jeter les sources ci-dessus avant le suivi (table raw, ou nft en priorité sous -300 avec notrack), ou répondre aux SYN par synproxy.",
	},
	"cure_established": {
		"Let idle connections go after one day instead of five. New and active flows take the new timeout; flows that stay silent keep their old timer:",
		"Laisser partir les connexions muettes après un jour au lieu de cinq. Les flux nouveaux ou actifs prennent le nouveau délai ; ceux qui se taisent gardent l’ancien :",
	},
	"cure_established_up": {"Raise the established timeout to one day:", "Relever le délai « established » à un jour :"},
	"cure_stale_now": {
		"The {idle:count} that exist keep the timers that they have, so make room by max until those run out. Deleting them (`conntrack -D`) frees it at once, but cuts translated connections that still live.",
		"Les {idle:count} qui existent gardent leurs minuteries : faire de la place par le maximum jusqu’à leur échéance. Les supprimer (`conntrack -D`) libère aussitôt, mais coupe les connexions traduites qui vivent encore.",
	},
	"cure_close_wait": {
		"Bring the close_wait timeout back to the kernel’s 60 s (it breaks peers that stay half-closed for longer):",
		"Ramener le délai close_wait aux 60 s du noyau (cela rompt les pairs restant à demi fermés plus longtemps) :",
	},
	"cure_close_wait_program": {
		"Find the program that does not close its sockets: `ss -tnp state close-wait`.",
		"Trouver le programme qui ne ferme pas ses sockets : `ss -tnp state close-wait`.",
	},
	"cure_single_source": {
		"Look at what {key} does; limit it with `ct count` in nft (connlimit in iptables), or leave its traffic untracked (notrack) if no NAT and no stateful rule needs it.",
		"Voir ce que fait {key} ; la limiter par `ct count` dans nft (connlimit dans iptables), ou ne pas suivre son trafic (notrack) si ni NAT ni règle à états ne le demande.",
	},
	"cure_insert_failed_dns": {
		"For DNS: `options single-request-reopen` in resolv.conf, a cache on the node, or leave UDP port 53 untracked (notrack).",
		"Pour DNS : `options single-request-reopen` dans resolv.conf, un cache sur le nœud, ou ne pas suivre le port UDP 53 (notrack).",
	},
	"cure_insert_failed_source_port": {
		"With source NAT, let the kernel spread ports: `masquerade fully-random` (iptables --random-fully).",
		"Avec du NAT source, laisser le noyau répartir les ports : `masquerade fully-random` (iptables --random-fully).",
	},
	"cure_invalid_look": {
		"See which: `sysctl -w net.netfilter.nf_conntrack_log_invalid=6` for a minute, then 0; drop INVALID before REJECT or RST can answer it.",
		"Voir lesquels : `sysctl -w net.netfilter.nf_conntrack_log_invalid=6` une minute, puis 0 ; jeter INVALID avant que REJECT ou un RST n’y réponde.",
	},
	"cure_be_liberal": {
		"If they are out of window on sound connections, accept them:",
		"S’ils sont hors fenêtre sur des connexions saines, les accepter :",
	},
	"cure_nat_more_addresses": {
		"Give NAT more addresses (a pool in the snat rule), or spread the destination over several.",
		"Donner plus d’adresses au NAT (une plage dans la règle snat), ou répartir la destination sur plusieurs.",
	},
	"cure_nat_keepalive": {
		"Reuse connections (keepalive, pooling) so that each port serves for longer.",
		"Réutiliser les connexions (keepalive, réserve) pour que chaque port serve plus longtemps.",
	},
	"cure_persist": {"Write it to a file that wins at boot:", "L’écrire dans un fichier qui l’emporte au démarrage :"},
	"cure_boot": {
		"See which file and line decides, then apply what you want:",
		"Voir quel fichier et quelle ligne décide, puis appliquer ce que l’on veut :",
	},
	"cure_overwriter": {"Set it in {program} instead: {where}.", "Le régler plutôt dans {program} : {where}."},
	"cure_lint":       {"See each fault; --fix mends what is certain:", "Voir chaque faute ; --fix répare ce qui est certain :"},
	"cure_limit_files": {
		"Raise the limit of the program (LimitNOFILE= in its unit, ulimit -n), or find what it leaks: `ls /proc/PID/fd`.",
		"Relever la limite du programme (LimitNOFILE= dans son unité, ulimit -n), ou trouver ce qu’il perd : `ls /proc/PID/fd`.",
	},
	"cure_file_max": {"Raise the machine’s limit to {value:count}:", "Relever la limite de la machine à {value:count} :"},
	"cure_limit_processes": {
		"Raise the limit that is hit (TasksMax= or LimitNPROC= in the unit, pids limit of the container, ulimit -u), or let the program use fewer workers.",
		"Relever la limite atteinte (TasksMax= ou LimitNPROC= dans l’unité, limite de pids du conteneur, ulimit -u), ou donner moins de travailleurs au programme.",
	},
	"cure_threads_max": {
		"Raise the machine’s limit of threads to {value:count}:",
		"Relever la limite de fils de la machine à {value:count} :",
	},
	"cure_pid_max": {"Raise the largest process number to {value:count}:", "Relever le plus grand numéro de processus à {value:count} :"},
	"cure_listen_program": {
		"Give the program more workers, or a longer queue (its listen backlog, which somaxconn caps).",
		"Donner plus de travailleurs au programme, ou une file plus longue (son « backlog », que somaxconn borne).",
	},
	"cure_somaxconn": {"Let queues be {value:count} long:", "Permettre des files de {value:count} :"},
	"cure_ports_reuse": {
		"Reuse connections (keepalive, pooling), or use more source addresses or destinations.",
		"Réutiliser les connexions (keepalive, réserve), ou prendre plus d’adresses source ou de destinations.",
	},
	"cure_port_range": {"Widen the range of local ports:", "Élargir la plage de ports locaux :"},
	"cure_neighbour": {
		"Let the table hold {value:count} neighbours (raise gc_thresh1 and 2 with it):",
		"Permettre {value:count} voisins (relever gc_thresh1 et 2 avec) :",
	},
	"cure_socket_memory": {
		"Find who holds the memory: `ss -tm`; slow readers and many open sockets do.",
		"Trouver qui tient la mémoire : `ss -tm` ; des lecteurs lents et beaucoup de sockets ouvertes en prennent.",
	},
	"cure_tcp_mem": {"If memory allows, double TCP’s limits:", "Si la mémoire le permet, doubler les limites de TCP :"},
}
