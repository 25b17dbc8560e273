package wording

// diagnoseText are the verdicts of doctor and the names of its findings.
var diagnoseText = map[string]text{
	"verdict_table_full": {
		"Yes, conntrack is the problem: the table of {namespace} is full and refuses new flows.",
		"Oui, conntrack est en cause : la table de {namespace} est pleine et refuse les nouveaux flux.",
	},
	"verdict_chain_too_long": {
		"Yes, conntrack is the problem: {namespace} refuses new flows because a hash chain is too long, although the table has room.",
		"Oui, conntrack est en cause : {namespace} refuse de nouveaux flux parce qu’une chaîne de hachage est trop longue, alors que la table a de la place.",
	},
	"verdict_expectation_table_full": {
		"Yes, but not the flow table: the table of expected flows is full; only protocols with a helper (FTP, SIP, PPTP) suffer.",
		"Oui, mais pas la table des flux : c’est celle des flux attendus qui est pleine ; seuls les protocoles à assistant (FTP, SIP, PPTP) en souffrent.",
	},
	"verdict_nat_ports_exhausted": {
		"Yes, though the table has room: source NAT in {namespace} runs out of ports towards one destination.",
		"Oui, bien que la table ait de la place : le NAT source de {namespace} manque de ports vers une destination.",
	},
	"verdict_insert_failed": {
		"Yes, though the table has room: packets of new flows race in {namespace}, and the loser is dropped.",
		"Oui, bien que la table ait de la place : des paquets de nouveaux flux se concurrencent dans {namespace}, et le perdant est jeté.",
	},
	"verdict_table_filling": {"It will be: the table of {namespace} is filling up.", "Il le sera : la table de {namespace} se remplit."},
	"verdict_table_was_full": {
		"It was: the table has been full and refused flows; it has room now.",
		"Il l’a été : la table a été pleine et a refusé des flux ; elle a de la place à présent.",
	},
	"verdict_early_drop_unlikely": {
		"It will be: once full, {namespace} cannot make room by itself.",
		"Il le sera : une fois pleine, la table de {namespace} ne pourra pas faire de place d’elle-même.",
	},
	"verdict_half_open_flood": {
		"Conntrack is under attack: half-open connections fill the table of {namespace}.",
		"Conntrack est attaqué : des connexions à demi ouvertes remplissent la table de {namespace}.",
	},
	"verdict_single_source": {
		"Not yet: one address holds most of the table of {namespace}.",
		"Pas encore : une seule adresse tient la plus grande part de la table de {namespace}.",
	},
	"verdict_stale_established": {
		"Not yet: connections idle for over a day hold much of the table of {namespace}.",
		"Pas encore : des connexions muettes depuis plus d’un jour tiennent une bonne part de la table de {namespace}.",
	},
	"verdict_close_wait_pressure": {
		"Not yet: half-closed connections hold much of the table of {namespace}.",
		"Pas encore : des connexions à demi fermées tiennent une bonne part de la table de {namespace}.",
	},
	"verdict_occupancy_reclaimable": {
		"Hardly: the table of {namespace} is at its max, but the kernel makes room by evicting flows that nobody confirmed.",
		"À peine : la table de {namespace} est à son maximum, mais le noyau fait de la place en évinçant des flux que rien n’a confirmés.",
	},
	"verdict_invalid_packets": {
		"Not for lack of room: {namespace} sees many packets that fit no flow.",
		"Pas faute de place : {namespace} voit beaucoup de paquets qui ne correspondent à aucun flux.",
	},
	"verdict_max_exceeds_memory": {
		"Not now: but a full table would take too much of this machine’s memory.",
		"Pas maintenant : mais une table pleine prendrait trop de la mémoire de cette machine.",
	},
	"verdict_max_unlimited": {
		"Not now: but the table has no limit, so a flood can take all memory.",
		"Pas maintenant : mais la table est sans limite, et une avalanche de flux peut prendre toute la mémoire.",
	},
	"verdict_buckets_too_few": {
		"Not now: but there are too few buckets for the table’s max, and lookups slow down as it fills.",
		"Pas maintenant : mais il y a trop peu de buckets pour le maximum de la table, et les recherches ralentissent quand elle se remplit.",
	},
	"verdict_timeout_breaks_idle": {
		"It can break connections: the established timeout of {namespace} is below TCP keepalive.",
		"Il peut rompre des connexions : le délai « established » de {namespace} est inférieur au keepalive TCP.",
	},
	"verdict_overwritten_by": {
		"Not now: but another program overwrites conntrack settings on this host.",
		"Pas maintenant : mais un autre programme récrit des réglages de conntrack sur cette machine.",
	},
	"verdict_overridden_at_boot": {
		"Not now: but the next boot will set other values than those that run.",
		"Pas maintenant : mais le prochain démarrage posera d’autres valeurs que celles en cours.",
	},
	"verdict_setting_invalid": {
		"Not now: but a settings file holds a conntrack line that the kernel will not take.",
		"Pas maintenant : mais un fichier de réglages contient une ligne conntrack que le noyau n’acceptera pas.",
	},
	"verdict_not_persisted": {
		"Not now: but a value that runs is in no file and is lost at the next boot.",
		"Pas maintenant : mais une valeur en cours n’est dans aucun fichier et se perdra au prochain démarrage.",
	},
	"verdict_healthy": {"No: nothing is wrong with conntrack.", "Non : conntrack va bien."},
	"verdict_healthy_share": {
		"No: nothing is wrong with conntrack; the fullest table, {namespace}, is {occupancy:percent} full.",
		"Non : conntrack va bien ; la table la plus remplie, {namespace}, l’est à {occupancy:percent}.",
	},
	"verdict_not_tracking": {
		"No: nothing is tracked here, so conntrack cannot refuse anything.",
		"Non : rien n’est suivi ici, conntrack ne peut donc rien refuser.",
	},
	"verdict_module_absent": {
		"No: nf_conntrack is not loaded, so it cannot refuse anything.",
		"Non : nf_conntrack n’est pas chargé, il ne peut donc rien refuser.",
	},
	"verdict_unknown": {"Unknown: neither count nor max could be read.", "Inconnu : ni le compte ni le maximum n’ont pu être lus."},
	"verdict_not_limit_processes": {
		"Not conntrack: processes or threads are at their limit (“Resource temporarily unavailable”).",
		"Pas conntrack : des processus ou fils d’exécution sont à leur limite (« Resource temporarily unavailable »).",
	},
	"verdict_not_limit_files": {
		"Not conntrack: open files are at their limit (“Too many open files”).",
		"Pas conntrack : les fichiers ouverts sont à leur limite (« Too many open files »).",
	},
	"verdict_not_listen_overflow": {
		"Not conntrack: a program accepts connections too slowly, and its listen queue overflows.",
		"Pas conntrack : un programme accepte les connexions trop lentement, et sa file d’écoute déborde.",
	},
	"verdict_not_ports_exhausted": {
		"Not conntrack: local ports towards one destination are used up (“Cannot assign requested address”).",
		"Pas conntrack : les ports locaux vers une destination sont épuisés (« Cannot assign requested address »).",
	},
	"verdict_not_neighbour_overflow": {
		"Not conntrack: the neighbour (ARP or NDP) table overflows.",
		"Pas conntrack : la table des voisins (ARP ou NDP) déborde.",
	},
	"verdict_not_socket_memory":      {"Not conntrack: TCP is short of socket memory.", "Pas conntrack : TCP manque de mémoire de socket."},
	"finding_table_full":             {"table full", "table pleine"},
	"finding_table_was_full":         {"table was full", "table naguère pleine"},
	"finding_table_filling":          {"table filling", "table en voie d’être pleine"},
	"finding_occupancy_reclaimable":  {"occupied, but reclaimable", "occupée, mais récupérable"},
	"finding_early_drop_unlikely":    {"early drop will mostly fail", "l’éviction échouera le plus souvent"},
	"finding_expectation_table_full": {"expectation table full", "table des flux attendus pleine"},
	"finding_chain_too_long":         {"hash chain too long", "chaîne de hachage trop longue"},
	"finding_insert_failed":          {"insertions lose races", "insertions perdant la course"},
	"finding_nat_ports_exhausted":    {"NAT ports exhausted", "ports de NAT épuisés"},
	"finding_invalid_packets":        {"many invalid packets", "beaucoup de paquets invalides"},
	"finding_stale_established":      {"stale established connections", "connexions établies mais mortes"},
	"finding_half_open_flood":        {"flood of half-open connections", "avalanche de connexions à demi ouvertes"},
	"finding_single_source":          {"one address fills the table", "une seule adresse remplit la table"},
	"finding_close_wait_pressure":    {"half-closed connections pile up", "connexions à demi fermées en nombre"},
	"finding_buckets_too_few":        {"too few buckets", "trop peu de buckets"},
	"finding_max_exceeds_memory":     {"max exceeds memory", "maximum au-delà de la mémoire"},
	"finding_max_unlimited":          {"no limit", "pas de limite"},
	"finding_timeout_breaks_idle":    {"timeout breaks idle connections", "délai qui rompt les connexions muettes"},
	"finding_not_persisted":          {"not persisted", "non conservé"},
	"finding_overridden_at_boot":     {"overridden at boot", "remplacé au démarrage"},
	"finding_overwritten_by":         {"overwritten by another program", "récrit par un autre programme"},
	"finding_setting_invalid":        {"invalid line", "ligne invalide"},
	"finding_not_tracking":           {"nothing is tracked", "rien n’est suivi"},
	"finding_module_absent":          {"nf_conntrack not loaded", "nf_conntrack non chargé"},
	"finding_counters_unavailable":   {"counters unavailable", "compteurs inaccessibles"},
	"finding_log_unavailable":        {"kernel log unavailable", "journal du noyau inaccessible"},
	"finding_limit_files":            {"open files at their limit", "fichiers ouverts à leur limite"},
	"finding_limit_processes":        {"processes at their limit", "processus à leur limite"},
	"finding_listen_overflow":        {"listen queue overflows", "file d’écoute débordée"},
	"finding_ports_exhausted":        {"local ports exhausted", "ports locaux épuisés"},
	"finding_neighbour_overflow":     {"neighbour table overflows", "table des voisins débordée"},
	"finding_socket_memory":          {"socket memory short", "mémoire de socket insuffisante"},
}
