package wording

// diagnoseCauseText says why, for each finding of doctor.
var diagnoseCauseText = map[string]text{
	"cause_full_unknown": {
		"More flows are open than max allows; what they are could not be read. Programs see connections that time out, or “Operation not permitted” from sendto; “Resource temporarily unavailable” is never from a full table.",
		"Plus de flux sont ouverts que le maximum n’en permet ; leur nature n’a pas pu être lue. Les programmes voient des connexions qui expirent, ou « Operation not permitted » à l’envoi ; « Resource temporarily unavailable » ne vient jamais d’une table pleine.",
	},
	"cause_full_flood": {
		"Half-open TCP connections fill the table: a SYN flood or a scan. Programs see connections that time out, or “Operation not permitted” from sendto; “Resource temporarily unavailable” is never from a full table.",
		"Des connexions TCP à demi ouvertes remplissent la table : inondation de SYN ou balayage. Les programmes voient des connexions qui expirent, ou « Operation not permitted » à l’envoi ; « Resource temporarily unavailable » ne vient jamais d’une table pleine.",
	},
	"cause_full_stale": {
		"Established connections that have been idle for over a day fill the table; at the default timeout each stays for 5 days. Programs see connections that time out, or “Operation not permitted” from sendto; “Resource temporarily unavailable” is never from a full table.",
		"Des connexions établies, muettes depuis plus d’un jour, remplissent la table ; au délai par défaut chacune y reste 5 jours. Les programmes voient des connexions qui expirent, ou « Operation not permitted » à l’envoi ; « Resource temporarily unavailable » ne vient jamais d’une table pleine.",
	},
	"cause_full_source": {
		"{source} alone fills the table. Programs see connections that time out, or “Operation not permitted” from sendto; “Resource temporarily unavailable” is never from a full table.",
		"{source} remplit la table à elle seule. Les programmes voient des connexions qui expirent, ou « Operation not permitted » à l’envoi ; « Resource temporarily unavailable » ne vient jamais d’une table pleine.",
	},
	"cause_full_demand": {
		"The traffic needs more room than max gives: no single source, flood or stale flows explain it. Programs see connections that time out, or “Operation not permitted” from sendto; “Resource temporarily unavailable” is never from a full table.",
		"Le trafic demande plus de place que le maximum n’en donne : ni source unique, ni inondation, ni flux morts ne l’expliquent. Les programmes voient des connexions qui expirent, ou « Operation not permitted » à l’envoi ; « Resource temporarily unavailable » ne vient jamais d’une table pleine.",
	},
	"cause_filling": {
		"At max every new flow is refused unless an unconfirmed one can be evicted for it. Assured flows never are.",
		"Au maximum, tout nouveau flux est refusé, sauf si un flux non confirmé peut être évincé pour lui. Les flux assurés ne le sont jamais.",
	},
	"cause_reclaimable": {
		"Much of the table is flows that early drop may evict, so the ratio of count to max alarms without need. Legitimate handshakes may be among the evicted.",
		"Une grande part de la table est faite de flux que le noyau peut évincer ; le rapport du compte au maximum inquiète donc à tort. Des ouvertures légitimes peuvent être parmi les évincées.",
	},
	"cause_early_drop_unlikely": {
		"Early drop looks at 8 buckets and takes only flows that are not assured. There are too few of them, so most new flows find nothing to evict.",
		"L’éviction regarde 8 buckets et ne prend que les flux non assurés. Ils sont trop peu nombreux : la plupart des nouveaux flux ne trouvent rien à évincer.",
	},
	"cause_max_unlimited": {
		"nf_conntrack_max = 0 means no limit up to Linux 6.18 (newer kernels refuse the value). Flows take kernel memory that no cgroup is charged for.",
		"nf_conntrack_max = 0 veut dire sans limite jusqu’à Linux 6.18 (les noyaux suivants refusent cette valeur). Les flux prennent de la mémoire du noyau qu’aucun cgroup ne paie.",
	},
	"cause_was_full": {
		"The kernel logged that it dropped packets because the table was full. The log tells that and when, not how many: its lines are rate limited together with all network warnings.",
		"Le noyau a noté qu’il jetait des paquets, table pleine. Le journal dit que c’est arrivé et quand, pas combien de fois : ses lignes sont limitées en débit avec tous les avertissements du réseau.",
	},
	"cause_was_full_counter": {
		"The drop counter is higher than clashes explain. A full table is the usual reason, but no log line confirms it.",
		"Le compteur « drop » dépasse ce que les collisions expliquent. Une table pleine en est la raison usuelle, mais aucune ligne du journal ne le confirme.",
	},
	"cause_expectations": {
		"Helpers (FTP, SIP, PPTP, TFTP…) announce flows to expect. Their table is full: data connections of these protocols fail, all other traffic goes on.",
		"Les assistants (FTP, SIP, PPTP, TFTP…) annoncent des flux à attendre. Leur table est pleine : les connexions de données de ces protocoles échouent, tout autre trafic passe.",
	},
	"cause_chain_too_long": {
		"Since Linux 5.15 a flow whose hash chain is longer than a limit (50 to 79; 8 to 31 before 6.1) is refused, however much room the table has.",
		"Depuis Linux 5.15, un flux dont la chaîne de hachage dépasse une limite (50 à 79 ; 8 à 31 avant 6.1) est refusé, quelle que soit la place dans la table.",
	},
	"cause_insert_failed": {
		"Two packets of the same new flow passed at once and only one could be entered. A resolver that asks for A and AAAA from one UDP port does this: the lost query costs 5 seconds.",
		"Deux paquets d’un même nouveau flux sont passés à la fois et un seul a pu être inscrit. Un résolveur qui demande A et AAAA depuis un même port UDP fait cela : la requête perdue coûte 5 secondes.",
	},
	"cause_invalid": {
		"Packets that fit no flow (late, out of window, asymmetric routes) are INVALID. Conntrack lets them pass; a rule that drops them, or a host that answers with RST, breaks connections. This is not a full table.",
		"Les paquets qui ne correspondent à aucun flux (tardifs, hors fenêtre, routes asymétriques) sont INVALID. Conntrack les laisse passer ; une règle qui les jette, ou un hôte qui répond par RST, rompt des connexions. Ce n’est pas une table pleine.",
	},
	"cause_stale_established": {
		"{idle:count} connections were left without a word by a peer that vanished, or are pooled and unused. Assured, they cannot be evicted.",
		"{idle:count} connexions ont été laissées sans un mot par un pair disparu, ou dorment dans une réserve. Assurées, elles ne peuvent être évincées.",
	},
	"cause_half_open_flood": {
		"Handshakes that are never completed: a SYN flood, a scan, or a destination that does not answer. Each stays for 1 to 2 minutes at the default timeouts.",
		"Des ouvertures jamais achevées : inondation de SYN, balayage, ou destination qui ne répond pas. Chacune reste 1 à 2 minutes aux délais par défaut.",
	},
	"cause_single_source": {
		"{key} opened them: an attack, a scanner, a program that leaks connections, or a proxy that many stand behind.",
		"{key} les a ouverts : attaque, balayage, programme qui perd ses connexions, ou mandataire derrière lequel beaucoup se tiennent.",
	},
	"cause_close_wait": {
		"The other side has closed and the program here has not. A close_wait timeout of an hour (kube-proxy sets 3600 s) keeps each of them that long.",
		"L’autre côté a fermé et le programme d’ici non. Un délai close_wait d’une heure (kube-proxy pose 3600 s) garde chacune d’elles aussi longtemps.",
	},
	"cause_buckets": {
		"max was raised and buckets were not. Chains grow, every packet’s lookup slows, and since Linux 5.15 chains that are too long refuse flows.",
		"Le maximum a été relevé, pas les buckets. Les chaînes s’allongent, la recherche ralentit à chaque paquet, et depuis Linux 5.15 les chaînes trop longues refusent des flux.",
	},
	"cause_max_exceeds_memory": {
		"A full table would take this memory from everything else; the kernel cannot swap it.",
		"Une table pleine prendrait cette mémoire à tout le reste ; le noyau ne peut pas la mettre en échange.",
	},
	"cause_timeout_breaks_idle": {
		"A connection that is idle for longer than {timeout:seconds} is forgotten while both ends still hold it open; TCP keepalive speaks only within {keepalive:seconds}. Behind NAT or a stateful rule it is then dead without a word.",
		"Une connexion muette pendant plus de {timeout:seconds} est oubliée alors que les deux bouts la tiennent encore ; le keepalive TCP ne parle qu’en {keepalive:seconds}. Derrière un NAT ou une règle à états, elle est alors morte sans un mot.",
	},
	"cause_nat_ports": {
		"Each address that NAT puts in front has 64,512 ports towards one destination and port; nearly all are taken for {key}. What finds none is dropped, and no counter says so.",
		"Chaque adresse que le NAT met en avant a 64 512 ports vers une destination et un port ; presque tous sont pris pour {key}. Ce qui n’en trouve pas est jeté, et aucun compteur ne le dit.",
	},
	"cause_not_persisted": {
		"The value was changed at run time and stands in no file that the boot reads.",
		"La valeur a été changée en marche et ne figure dans aucun fichier que le démarrage lit.",
	},
	"cause_overridden_at_boot": {
		"Another file is read later, or the key is read before its module is loaded, so the next boot ends with another value.",
		"Un autre fichier est lu après, ou la clé est lue avant que son module soit chargé : le prochain démarrage finit avec une autre valeur.",
	},
	"cause_overwritten_by": {
		"{program} writes this setting by itself whenever it starts: a file in sysctl.d does not hold against it.",
		"{program} écrit lui-même ce réglage à chaque lancement : un fichier de sysctl.d ne tient pas contre lui.",
	},
	"cause_setting_invalid": {"The line does nothing, or not what it seems to say.", "La ligne ne fait rien, ou pas ce qu’elle semble dire."},
	"cause_not_tracking": {
		"No rule uses connection tracking in this namespace, or no packet has met one yet: packets pass without an entry.",
		"Aucune règle n’utilise le suivi de connexions dans cet espace de noms, ou aucun paquet n’en a encore rencontré : les paquets passent sans entrée.",
	},
	"cause_module_absent": {
		"Neither built in nor loaded: no rule on this host has asked for connection tracking.",
		"Ni intégré ni chargé : aucune règle de cette machine n’a demandé le suivi de connexions.",
	},
	"cause_counters_unavailable": {
		"Without the drop counter, refusals can only be told from count, max and the log.",
		"Sans le compteur « drop », les refus ne se déduisent que du compte, du maximum et du journal.",
	},
	"cause_log_unavailable": {
		"Without the kernel’s log, a table that was full before now shows only in counters.",
		"Sans le journal du noyau, une table pleine par le passé ne se voit que dans les compteurs.",
	},
	"cause_limit_files": {
		"open, socket and accept fail with “Too many open files” (EMFILE, ENFILE). Clients see refused or hanging connections, as with a full table.",
		"open, socket et accept échouent par « Too many open files » (EMFILE, ENFILE). Les clients voient des connexions refusées ou figées, comme avec une table pleine.",
	},
	"cause_limit_processes": {
		"fork and thread creation fail with “Resource temporarily unavailable” (EAGAIN) at pids.max, RLIMIT_NPROC, threads-max or pid_max (from a non-blocking socket the same error only means: not yet). A full conntrack table never gives that error: it gives “Operation not permitted” or a timeout.",
		"fork et la création de fils échouent par « Resource temporarily unavailable » (EAGAIN) à pids.max, RLIMIT_NPROC, threads-max ou pid_max (d’une socket non bloquante, la même erreur veut seulement dire : pas encore). Une table conntrack pleine ne donne jamais cette erreur : elle donne « Operation not permitted » ou une expiration.",
	},
	"cause_listen_overflow": {
		"The kernel finished handshakes that no program accepted in time, so the queue is full and further ones are dropped. Clients retry and time out.",
		"Le noyau a achevé des ouvertures qu’aucun programme n’a acceptées à temps : la file est pleine et les suivantes sont jetées. Les clients réessaient et expirent.",
	},
	"cause_ports_exhausted": {
		"Each connection from one address to {dst} needs a local port of its own, and they are nearly all in use. connect fails with “Cannot assign requested address”.",
		"Chaque connexion d’une adresse vers {dst} demande un port local à elle, et ils sont presque tous pris. connect échoue par « Cannot assign requested address ».",
	},
	"cause_neighbour_overflow": {
		"The host talks to more neighbours than gc_thresh3 allows; packets to the rest are dropped, or send fails with “No buffer space available”.",
		"La machine parle à plus de voisins que gc_thresh3 n’en permet ; les paquets vers les autres sont jetés, ou l’envoi échoue par « No buffer space available ».",
	},
	"cause_socket_memory": {
		"TCP’s buffers are at tcp_mem’s limit, or too many closed sockets still wait: connections stall or are reset.",
		"Les tampons de TCP sont à la limite de tcp_mem, ou trop de sockets fermées attendent encore : des connexions se figent ou sont coupées.",
	},
}
