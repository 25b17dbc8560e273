package wording

// diagnoseEvidenceText are the lines of evidence of doctor.
var diagnoseEvidenceText = map[string]text{
	"ev_occupancy": {"{count:count} of {max:count} flows ({value:percent})", "{count:count} flux sur {max:count} ({value:percent})"},
	"ev_pressure": {
		"{value:percent} of max cannot be reclaimed: {pinned:count} assured; {unassured:count} may be evicted, {closing:count} are closing",
		"{value:percent} du maximum n’est pas récupérable : {pinned:count} assurés ; {unassured:count} évinçables, {closing:count} en fermeture",
	},
	"ev_refused": {
		"{value:count} {value:plural|packet|packets} refused within {seconds} s ({rate:rate})",
		"{value:count} {value:plural|paquet refusé|paquets refusés} en {seconds} s ({rate:rate})",
	},
	"ev_drop_total": {
		"drop counter: {value:count} (32 bits, may have wrapped)",
		"compteur « drop » : {value:count} (32 bits, a pu boucler)",
	},
	"ev_early_drop": {
		"{value:count} {value:plural|flow|flows} evicted to make room ({rate:rate})",
		"{value:count} {value:plural|flux évincé|flux évincés} pour faire de la place ({rate:rate})",
	},
	"ev_early_drop_total": {
		"{value:count} {value:plural|flow|flows} evicted to make room so far",
		"{value:count} {value:plural|flux évincé|flux évincés} jusqu’ici pour faire de la place",
	},
	"ev_hidden": {
		"{value:count} flows count but are not listed ({listed:count} are): expired and not yet reaped, or kept for a listener that does not read its events",
		"{value:count} flux comptent sans être listés ({listed:count} le sont) : expirés et pas encore ramassés, ou gardés pour un auditeur qui ne lit pas ses événements",
	},
	"ev_top_source": {
		"{key} holds {value:count} {value:plural|flow|flows} ({share:percent})",
		"{key} tient {value:count} flux ({share:percent})",
	},
	"ev_top_port": {
		"to {key}: {value:count} {value:plural|flow|flows} ({share:percent})",
		"vers {key} : {value:count} flux ({share:percent})",
	},
	"ev_top_class": {
		"{class}: {value:count} {value:plural|flow|flows} ({share:percent})",
		"{class} : {value:count} flux ({share:percent})",
	},
	"ev_time_to_full": {
		"full in {left:seconds} at the present rise of {rate:rate} (seen over {seconds} s)",
		"pleine dans {left:seconds} à la hausse actuelle de {rate:rate} (vue sur {seconds} s)",
	},
	"ev_refuse_probability": {
		"when full, {value:percent} of new flows are refused: {unassured:count} evictable flows over {buckets:count} buckets",
		"table pleine, {value:percent} des nouveaux flux sont refusés : {unassured:count} flux évinçables sur {buckets:count} buckets",
	},
	"ev_refuse_probability_entries": {
		"when full, {value:percent} of new flows are refused: this kernel looks at 8 flows, and {unassured:count} of {total:count} are evictable",
		"table pleine, {value:percent} des nouveaux flux sont refusés : ce noyau regarde 8 flux, et {unassured:count} sur {total:count} sont évinçables",
	},
	"ev_max":   {"max is {value}", "le maximum est {value}"},
	"ev_count": {"{value:count} {value:plural|flow|flows}", "{value:count} flux"},
	"ev_log": {
		"logged at least {value:count} {value:plural|time|times}: {example}",
		"noté au moins {value:count} fois : {example}",
	},
	"ev_log_last": {
		"logged at least {value:count} {value:plural|time|times}, the last at {last}: {example}",
		"noté au moins {value:count} fois, la dernière le {last} : {example}",
	},
	"ev_log_netns": {"network namespace {value} is {name}", "l’espace de noms réseau {value} est {name}"},
	"ev_log_netns_gone": {
		"network namespace {value} is gone, or was not looked at",
		"l’espace de noms réseau {value} n’existe plus, ou n’a pas été examiné",
	},
	"ev_log_netns_untold": {
		"this kernel does not say which of {value} network namespaces",
		"ce noyau ne dit pas lequel des {value} espaces de noms réseau",
	},
	"ev_log_more": {"and {value:count} more network namespaces", "et {value:count} autres espaces de noms réseau"},
	"ev_incidents": {
		"{value:count} packets refused and {evicted:count} flows evicted in {n:count} {n:plural|incident|incidents}",
		"{value:count} paquets refusés et {evicted:count} flux évincés en {n:count} {n:plural|incident|incidents}",
	},
	"ev_incident": {
		"the last began {began} and lasted {seconds:seconds}: {value:count} refused, {before:count} flows a minute before, peak {peak:count} of {max:count}",
		"le dernier a commencé {began} et duré {seconds:seconds} : {value:count} refusés, {before:count} flux une minute avant, pointe {peak:count} sur {max:count}",
	},
	"ev_incident_open": {
		"the last began {began} and goes on: {value:count} refused, {before:count} flows a minute before, peak {peak:count} of {max:count}",
		"le dernier a commencé {began} et dure encore : {value:count} refusés, {before:count} flux une minute avant, pointe {peak:count} sur {max:count}",
	},
	"ev_incident_source": {
		"most flows in it were of {source}: {value:count}",
		"la plupart de ses flux étaient de {source} : {value:count}",
	},
	"ev_incident_change": {
		"meanwhile, at {at}, {setting} was set from {from} to {value}",
		"entre-temps, à {at}, {setting} est passé de {from} à {value}",
	},
	"ev_incident_change_by": {
		"meanwhile, at {at}, {setting} was set from {from} to {value} by {by}",
		"entre-temps, à {at}, {setting} est passé de {from} à {value} par {by}",
	},
	"ev_log_suppressed": {
		"{value:count} network warnings of any kind were suppressed: no count of refused packets",
		"{value:count} avertissements réseau de toute sorte ont été tus : ce n’est pas un compte de paquets refusés",
	},
	"ev_drop_unexplained": {
		"{value:count} drops since boot are no clashes (drop {drop:count}, insert_failed {insert_failed:count})",
		"{value:count} rejets depuis le démarrage ne sont pas des collisions (drop {drop:count}, insert_failed {insert_failed:count})",
	},
	"ev_expectations": {"{value:count} of {max:count} expected flows", "{value:count} flux attendus sur {max:count}"},
	"ev_half_open": {
		"{value:count} half-open TCP flows ({share:percent}): {sent:count} SYN_SENT, {recv:count} SYN_RECV",
		"{value:count} flux TCP à demi ouverts ({share:percent}) : {sent:count} SYN_SENT, {recv:count} SYN_RECV",
	},
	"ev_half_open_source": {"{key}: {value:count} half-open of {flows:count}", "{key} : {value:count} à demi ouverts sur {flows:count}"},
	"ev_syncookies":       {"{value:count} SYN cookies sent between two readings", "{value:count} cookies SYN envoyés entre deux lectures"},
	"ev_stale": {
		"{value:count} of {established:count} established TCP flows idle for over a day ({share:percent} of the table)",
		"{value:count} des {established:count} flux TCP établis muets depuis plus d’un jour ({share:percent} de la table)",
	},
	"ev_timeout": {"{name} = {value:seconds}", "{name} = {value:seconds}"},
	"ev_close_wait": {
		"{value:count} TCP flows in CLOSE_WAIT ({share:percent} of the table)",
		"{value:count} flux TCP en CLOSE_WAIT ({share:percent} de la table)",
	},
	"ev_chain": {
		"{value:count} flows refused for a long chain within {seconds} s ({rate:rate})",
		"{value:count} flux refusés pour chaîne trop longue en {seconds} s ({rate:rate})",
	},
	"ev_chain_total": {
		"{value:count} flows refused for a long chain since boot",
		"{value:count} flux refusés pour chaîne trop longue depuis le démarrage",
	},
	"ev_chain_mean": {
		"{value} entries a chain on average ({count:count} flows, each twice, over {buckets:count} buckets)",
		"{value} entrées par chaîne en moyenne ({count:count} flux, deux fois chacun, sur {buckets:count} buckets)",
	},
	"ev_insert_failed": {
		"{value:count} insertions failed ({rate:rate}), long chains left out",
		"{value:count} insertions ont échoué ({rate:rate}), hors chaînes trop longues",
	},
	"ev_insert_failed_total": {
		"{value:count} insertions failed since boot ({rate:rate} on average)",
		"{value:count} insertions ont échoué depuis le démarrage ({rate:rate} en moyenne)",
	},
	"ev_dns_flows": {"{value:count} DNS flows over UDP", "{value:count} flux DNS sur UDP"},
	"ev_invalid":   {"{value:count} invalid packets ({rate:rate})", "{value:count} paquets invalides ({rate:rate})"},
	"ev_invalid_total": {
		"{value:count} invalid packets since boot ({rate:rate} on average)",
		"{value:count} paquets invalides depuis le démarrage ({rate:rate} en moyenne)",
	},
	"ev_be_liberal": {"tcp_be_liberal = {value}", "tcp_be_liberal = {value}"},
	"ev_buckets": {
		"{value:count} buckets for a max of {max:count}: {chain} entries a chain when full",
		"{value:count} buckets pour un maximum de {max:count} : {chain} entrées par chaîne une fois pleine",
	},
	"ev_memory_need": {
		"a full table takes {value:bytes} ({max:count} flows of {flow} bytes)",
		"une table pleine prend {value:bytes} ({max:count} flux de {flow} octets)",
	},
	"ev_memory":     {"that is {share:percent} of the {value:bytes} of memory", "soit {share:percent} des {value:bytes} de mémoire"},
	"ev_flow_bytes": {"one flow takes {value} bytes, extensions included", "un flux prend {value} octets, extensions comprises"},
	"ev_keepalive": {
		"TCP keepalive speaks within {value:seconds} (first probe after {time:seconds})",
		"le keepalive TCP parle en {value:seconds} (première sonde après {time:seconds})",
	},
	"ev_established_now": {"{value:count} established TCP flows now", "{value:count} flux TCP établis en ce moment"},
	"ev_nat_dest": {
		"{value:count} flows to {key}; one address has {ports:count} ports to give",
		"{value:count} flux vers {key} ; une adresse a {ports:count} ports à donner",
	},
	"ev_nat_flows": {"{value:count} flows are translated", "{value:count} flux sont traduits"},
	"ev_nat_search": {
		"{value:count} ports found taken while looking for a free one ({rate:rate})",
		"{value:count} ports trouvés pris en en cherchant un libre ({rate:rate})",
	},
	"ev_module_absent": {"no conntrack settings and no conntrack module (kernel {value})", "ni réglages ni module conntrack (noyau {value})"},
	"ev_not_tracking":  {"no flow, and no counter that ever rose, in {value}", "aucun flux, et aucun compteur qui ait jamais monté, dans {value}"},
	"ev_missing":       {"not read: {value}", "non lu : {value}"},
	"ev_files": {
		"{used:count} of {max:count} open files ({value:percent})",
		"{used:count} fichiers ouverts sur {max:count} ({value:percent})",
	},
	"ev_process_files": {
		"{name} (pid {pid}): {used:count} of {max:count} open files ({value:percent})",
		"{name} (pid {pid}) : {used:count} fichiers ouverts sur {max:count} ({value:percent})",
	},
	"ev_tasks": {
		"{used:count} of {max:count} processes and threads ({value:percent})",
		"{used:count} processus et fils sur {max:count} ({value:percent})",
	},
	"ev_process_tasks": {
		"{name} (pid {pid}): its user runs {used:count} of {max:count} processes and threads ({value:percent})",
		"{name} (pid {pid}) : son utilisateur a {used:count} processus et fils sur {max:count} ({value:percent})",
	},
	"ev_cgroup_tasks": {
		"{path}: {used:count} of {max:count} tasks ({value:percent})",
		"{path} : {used:count} tâches sur {max:count} ({value:percent})",
	},
	"ev_cgroup_refused": {"{path}: {value:count} forks refused", "{path} : {value:count} fork refusés"},
	"ev_listen":         {"{name} rose by {value:count} ({rate:rate})", "{name} a monté de {value:count} ({rate:rate})"},
	"ev_listen_total": {
		"{name} is {value:count} ({rate:rate} on average since boot)",
		"{name} vaut {value:count} ({rate:rate} en moyenne depuis le démarrage)",
	},
	"ev_ports": {
		"{src} to {dst}: {used:count} of {max:count} local ports ({value:percent})",
		"{src} vers {dst} : {used:count} ports locaux sur {max:count} ({value:percent})",
	},
	"ev_port_range": {"local ports {low} to {high}: {value:count}", "ports locaux {low} à {high} : {value:count}"},
	"ev_neighbour": {
		"{table}: {used:count} of {max:count} neighbours ({value:percent})",
		"{table} : {used:count} voisins sur {max:count} ({value:percent})",
	},
	"ev_neighbour_fulls": {
		"{table} was full {value:count} {value:plural|time|times} since boot",
		"{table} a été pleine {value:count} fois depuis le démarrage",
	},
	"ev_tcp_mem": {
		"TCP holds {value:count} pages (pressure at {pressure:count}, limit {max:count})",
		"TCP tient {value:count} pages (pression à {pressure:count}, limite {max:count})",
	},
	"ev_orphans": {
		"{used:count} of {max:count} orphaned sockets ({value:percent})",
		"{used:count} sockets orphelines sur {max:count} ({value:percent})",
	},
	"ev_boot_other": {
		"{name} is {running} now, and this line makes it {value} at the next boot",
		"{name} vaut {running}, et cette ligne en fera {value} au prochain démarrage",
	},
	"ev_boot_early": {
		"{name} is {running} now and will be {value}: this line is read before the module is loaded",
		"{name} vaut {running} et vaudra {value} : cette ligne est lue avant que le module soit chargé",
	},
	"ev_boot_lost": {
		"{name} is {running} now and will be {value}: this line comes to nothing",
		"{name} vaut {running} et vaudra {value} : cette ligne reste sans effet",
	},
	"ev_boot_none": {
		"{name} is {running} now and will be {value} after the next boot: no file sets it",
		"{name} vaut {running} et vaudra {value} après le prochain démarrage : aucun fichier ne le pose",
	},
	"ev_overwritten": {
		"{name}: {at} says {file}, this program sets {value}",
		"{name} : {at} dit {file}, ce programme pose {value}",
	},
	"ev_overwritten_unknown": {
		"{name}: {at} says {value}, this program sets its own value",
		"{name} : {at} dit {value}, ce programme pose sa propre valeur",
	},
	"ev_line": {"{text}: {value}", "{text} : {value}"},
}
