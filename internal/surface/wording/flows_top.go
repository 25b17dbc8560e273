package wording

// flowsTopText are the words of rankings of flows.
var flowsTopText = map[string]text{
	"flows_top_table_pressure": {
		"table: {count:count} of {max:count} flows ({occupancy:percent}), pressure {pressure:percent}",
		"table\u00a0: {count:count} flux sur {max:count} ({occupancy:percent}), pression {pressure:percent}"},
	"flows_top_table": {
		"table: {count:count} of {max:count} flows ({occupancy:percent})",
		"table\u00a0: {count:count} flux sur {max:count} ({occupancy:percent})"},
	"flows_top_table_count": {"table: {count:count} {count:plural|flow|flows}", "table\u00a0: {count:count} flux"},
	"flows_top_exact": {
		"{flows:count} {flows:plural|flow|flows} read, by {by}: {keys:count} different",
		"{flows:count} flux {flows:plural|lu|lus}, par {by}\u00a0: {keys:count} {keys:plural|valeur distincte|valeurs distinctes}"},
	"flows_top_sketched": {
		"{flows:count} {flows:plural|flow|flows} read, by {by}: more than {keys:count} different, too many to count exactly. A row's count may be too large by its error; a key left out of the count has at most {missing:count} {missing:plural|flow|flows}.",
		"{flows:count} flux {flows:plural|lu|lus}, par {by}\u00a0: plus de {keys:count} valeurs distinctes, trop pour un compte exact. Le compte d’une ligne peut dépasser la vérité de son erreur\u00a0; une valeur laissée de côté a au plus {missing:count} flux."},
	"flows_top_rates_events": {
		"over {seconds} s: {rates}",
		"sur {seconds}\u00a0s\u00a0: {rates}"},
	"flows_top_rates_dumps": {
		"over {seconds} s: {rates} (by two readings of the table: flows that came and went between them are not among them)",
		"sur {seconds}\u00a0s\u00a0: {rates} (par deux lectures de la table\u00a0: les flux venus et partis entre les deux n’y sont pas)"},
	"flows_top_rate_refused":  {"refused {rate:rate}", "refusés {rate:rate}"},
	"flows_top_rate_early":    {"dropped early {rate:rate}", "évincés {rate:rate}"},
	"flows_top_rate_arrivals": {"new {rate:rate}", "nouveaux {rate:rate}"},
	"flows_top_rate_ends":     {"ended {rate:rate}", "terminés {rate:rate}"},
	"flows_top_no_rates":      {"no rates, because {why}", "pas de débits, car {why}"},
	"flows_top_col_flows":     {"flows", "flux"},
	"flows_top_col_error":     {"error", "erreur"},
	"flows_top_col_share":     {"share", "part"},
	"flows_top_col_assured":   {"assured", "assurés"},
	"flows_top_col_closing":   {"closing", "en clôture"},
	"flows_top_col_half_open": {"half-open", "mi-ouverts"},
	"flows_top_col_idle":      {"idle >1h", "inactifs >1h"},
	"flows_watch_events_off": {
		"nf_conntrack_events is 0 here: the kernel makes no events",
		"nf_conntrack_events vaut 0 ici\u00a0: le noyau n’émet aucun événement"},
	"flows_watch_end": {
		"{seen:count} {seen:plural|event|events} seen, {written:count} shown, {filtered:count} not selected",
		"{seen:count} {seen:plural|événement vu|événements vus}, {written:count} {written:plural|affiché|affichés}, {filtered:count} hors de la sélection"},
	"flows_watch_lost": {
		"the kernel dropped {lost:count} {lost:plural|event|events}: its buffer was full (--buffer)",
		"le noyau a jeté {lost:count} {lost:plural|événement|événements}\u00a0: son tampon était plein (--buffer)"},
	"flows_watch_slow": {
		"{slow:count} {slow:plural|event was|events were} not shown: whoever reads the output was too slow",
		"{slow:count} {slow:plural|événement n’a pas été affiché|événements n’ont pas été affichés}\u00a0: le lecteur de la sortie était trop lent"},
	"flows_watch_stale": {
		"after the last loss the table was not read again: what was shown may not be how it is",
		"après la dernière perte, la table n’a pas été relue\u00a0: ce qui a été affiché n’est peut-être plus vrai"},
}
