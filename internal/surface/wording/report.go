package wording

// reportText are the sentences of a replay's report.
var reportText = []sentence{
	{"report_title", "The connection-tracking table under other settings", "La table de suivi de connexions sous d'autres réglages"},
	{"report_source",
		"{source}: {packets:count} packets over {span:duration}, replayed through a model of the kernel's connection tracking.",
		"{source} : {packets:count} paquets sur {span:duration}, rejoués dans un modèle du suivi de connexions du noyau."},
	{"report_compared", "What each setting would have done", "Ce que chaque réglage aurait donné"},
	{"report_settings", "settings", "réglages"},
	{"report_curves", "Over time", "Au fil du temps"},
	{"report_count", "Flows in the table", "Flux dans la table"},
	{"report_held", "Flows that the kernel cannot reclaim", "Flux que le noyau ne peut pas récupérer"},
	{"report_refused", "Refused packets", "Paquets refusés"},
	{"report_source_column", "source", "source"},
	{"report_protocol", "protocol", "protocole"},
	{"report_picked", "picked up", "repris"},
	{"report_loose", "tcp_loose would have", "avec tcp_loose"},
	{"report_nat", "behind NAT", "derrière NAT"},
	{"report_evicted", "evicted, not expired", "évincés, non expirés"},
	{"report_live", "this host's table", "la table de cette machine"},
	{"report_packets", "packets", "paquets"},
	{"report_service", "service", "service"},
	{"report_flows", "flows", "flux"},
	{"report_foot", "Made by ctkeeper {version}.", "Produit par ctkeeper {version}."},
}
