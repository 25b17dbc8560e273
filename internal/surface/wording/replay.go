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
	"replay_base":            {"the settings as they are", "les réglages tels quels"},
	"replay_unchanged":       {"no difference", "aucune différence"},
	"replay_count":           {"{n:count}", "{n:count}"},
	"replay_percent":         {"{share:percent}", "{share:percent}"},
	"replay_bytes":           {"{bytes:bytes}", "{bytes:bytes}"},
	"replay_run":             {"run", "passe"},
	"replay_peak":            {"peak count", "compte maximal"},
	"replay_pressure":        {"pressure", "pression"},
	"replay_refused":         {"refused", "refusés"},
	"replay_early":           {"early drops", "évictions"},
	"replay_broken":          {"broken", "rompus"},
	"replay_limit":           {"at the limit", "à la limite"},
	"replay_memory":          {"memory", "mémoire"},
	"replay_median":          {"median", "médiane"},
	"replay_chain":           {"chain", "chaîne"},
	"replay_table_two": {
		"{flows:count} flows in the table, read twice {window} s apart, are carried forward for {forward:duration}: {rate:count} new flows a second, with 95% confidence between {low:count} and {high:count}",
		"les {flows:count} flux de la table, lue deux fois à {window} s d'écart, sont prolongés de {forward:duration} : {rate:count} nouveaux flux par seconde, entre {low:count} et {high:count} à 95 %"},
	"replay_table_one": {
		"{flows:count} flows in the table, read once, are carried forward for {forward:duration}: by their timers {rate:count} new flows a second, with 95% confidence between {low:count} and {high:count}; one reading cannot tell growth from a level",
		"les {flows:count} flux de la table, lue une fois, sont prolongés de {forward:duration} : d'après leurs minuteries {rate:count} nouveaux flux par seconde, entre {low:count} et {high:count} à 95 % ; une seule lecture ne distingue pas une croissance d'un palier"},
	"replay_table_apart": {
		"{flows:count} of them are of protocols whose traffic is not carried forward: they only stay until their timers run out",
		"{flows:count} d'entre eux sont de protocoles dont le trafic n'est pas prolongé : ils restent seulement jusqu'à la fin de leur minuterie"},
	"replay_table_others": {
		"{flows:count} flows in the file are of other namespaces than {namespace} (--netns): left out",
		"{flows:count} flux du fichier sont d'autres espaces de noms que {namespace} (--netns) : laissés de côté"},
	"replay_table_bounds": {
		"two figures are what comes out at the low end, with the flows of the table silent, and at the high end, with all of them going on",
		"deux chiffres disent ce qui se passe à la borne basse, les flux de la table muets, et à la borne haute, tous continuant"},
	"replay_broken_loose": {"{flows:count} {flows:plural|flow|flows} would have been picked up with tcp_loose=1", "{flows:count} flux {flows:plural|aurait été repris|auraient été repris} avec tcp_loose=1"},
	"replay_broken_nat":   {"{flows:count} {flows:plural|is|are} translated by NAT: lost whatever tcp_loose says", "{flows:count} {flows:plural|est traduit|sont traduits} par NAT : {flows:plural|perdu|perdus} quoi que dise tcp_loose"},
	"replay_bounds": {
		"flow records hold no packet times: two figures are what comes out if flows were silent, and if they were busy, between what is known",
		"les enregistrements n'ont pas l'heure des paquets : deux chiffres disent ce qui se passe si les flux se taisaient, et s'ils étaient actifs, entre ce qu'on sait"},
	"replay_part": {"{file} is not whole: left out", "{file} n'est pas complet : laissé de côté"},
	"replay_sampled": {
		"a sample was recorded: each flow stands for those left out, down to {share:percent}; counts may be off by {error:percent}, with 95% confidence",
		"un échantillon a été enregistré : chaque flux représente ceux qui manquent, jusqu'à {share:percent} ; les comptes peuvent s'écarter de {error:percent}, à 95 %"},
	"replay_curves": {"count over time, up to {peak:count}:", "compte au fil du temps, jusqu'à {peak:count} :"},
	"replay_refused_of": {
		"run {run}: the full table refused {packets:count} packets of some {flows:count} flows, most of them from and to:",
		"passe {run} : la table pleine a refusé {packets:count} paquets d'environ {flows:count} flux, surtout de et vers :"},
	"replay_broken_of": {
		"run {run}: {flows:count} {flows:plural|flow|flows} carried traffic again after the table had forgotten them; {picked:count} {picked:plural|was|were} picked up from the middle (of no help behind NAT):",
		"passe {run} : {flows:count} flux {flows:plural|a|ont} repris après oubli par la table ; {picked:count} {picked:plural|a été repris|ont été repris} en cours de route (sans effet derrière un NAT) :"},
	"replay_log": {"run {run}: the kernel would log {lines:count} lines, the first of them:", "passe {run} : le noyau journaliserait {lines:count} lignes, dont les premières :"},
}
