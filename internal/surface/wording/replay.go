package wording

// replayText are the sentences of ctkeeper replay.
var replayText = map[string]text{
	"replay_head": {
		"{packets:count} packets over {span} s of traffic, through the model of kernel {kernel} ({speed:count} packets/s)",
		"{packets:count} paquets sur {span} s de trafic, dans le modèle du noyau {kernel} ({speed:count} paquets/s)"},
	"replay_source_host":     {"base: the settings of this host", "base : les réglages de cette machine"},
	"replay_source_snapshot": {"base: the settings of the snapshot", "base : les réglages de l'instantané"},
	"replay_source_defaults": {"base: the kernel's default settings", "base : les réglages par défaut du noyau"},
	"replay_assumed":         {"not known, so at the kernel's default: {names}", "inconnus, donc à la valeur par défaut du noyau : {names}"},
	"replay_link":            {"{packets:count} frames of link type {link}, which cannot be decoded, count as not IP", "{packets:count} trames de type de lien {link}, indécodable, sont comptées comme non IP"},
	"replay_base":            {"base", "base"},
	"replay_variant":         {"variant", "variante"},
	"replay_count":           {"{n:count}", "{n:count}"},
	"replay_peak":            {"peak count", "compte maximal"},
	"replay_new":             {"flows made", "flux créés"},
	"replay_refused":         {"packets refused (table full)", "paquets refusés (table pleine)"},
	"replay_early":           {"early drops", "évictions anticipées"},
	"replay_invalid":         {"invalid packets", "paquets invalides"},
	"replay_live":            {"flows alive at the end", "flux vivants à la fin"},
	"replay_changed":         {"variant: {name} {before} → {value}", "variante : {name} {before} → {value}"},
	"replay_log":             {"run {run}: the kernel would log {lines:count} lines, the first of them:", "passe {run} : le noyau journaliserait {lines:count} lignes, dont les premières :"},
}
