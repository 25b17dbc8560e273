package wording

// serveText are the sentences about the daemon and its history.
var serveText = []sentence{
	{"history_none",
		"no daemon has kept a history here; ctkeeper serve does",
		"aucun démon n'a tenu d'historique ici ; ctkeeper serve le fait"},
	{"not_confined",
		"ctkeeper goes on with more rights than it needs; the unit of its packages confines it from outside as well",
		"ctkeeper continue avec plus de droits qu'il n'en faut ; l'unité de ses paquets le confine aussi de l'extérieur"},
	{"no_history",
		"make state_dir writable, or name another: incidents and curves end with the process",
		"rendez state_dir accessible en écriture, ou nommez-en un autre : incidents et courbes finissent avec le processus"},
	{"history_damaged",
		"sqlite3 may get more out of it (.recover); delete it when it is not needed",
		"sqlite3 peut en tirer davantage (.recover) ; supprimez-le s'il n'est plus utile"},
	{"history_head", "time\tpeak count\theld\tmax\trefused\tevicted", "date\tcompte maximal\tretenus\tmax\trefusés\tévincés"},
	{"history_no_incidents", "no incident in this time", "aucun incident sur cette période"},
	{"history_ongoing", "ongoing", "en cours"},
	{"history_incident",
		"{refused:count} packets refused, {evicted:count} flows evicted, peak {peak:count} of {max:count}",
		"{refused:count} paquets refusés, {evicted:count} flux évincés, pointe {peak:count} sur {max:count}"},
}
