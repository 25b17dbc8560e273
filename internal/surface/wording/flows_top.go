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
	"flows_top_col_flows":     {"flows", "flux"},
	"flows_top_col_error":     {"error", "erreur"},
	"flows_top_col_share":     {"share", "part"},
	"flows_top_col_assured":   {"assured", "assurés"},
	"flows_top_col_closing":   {"closing", "en clôture"},
	"flows_top_col_half_open": {"half-open", "mi-ouverts"},
	"flows_top_col_idle":      {"idle >1h", "inactifs >1h"},
}
