package wording

// serveText are the sentences about the daemon and its history.
var serveText = map[string]text{
	"history_none": {
		"no daemon has kept a history here; ctkeeper serve does",
		"aucun démon n'a tenu d'historique ici ; ctkeeper serve le fait"},
	"history_head":         {"time\tpeak count\theld\tmax\trefused\tevicted", "date\tcompte maximal\tretenus\tmax\trefusés\tévincés"},
	"history_no_incidents": {"no incident in this time", "aucun incident sur cette période"},
	"history_ongoing":      {"ongoing", "en cours"},
	"history_incident": {
		"{refused:count} packets refused, {evicted:count} flows evicted, peak {peak:count} of {max:count}",
		"{refused:count} paquets refusés, {evicted:count} flux évincés, pointe {peak:count} sur {max:count}"},
}
