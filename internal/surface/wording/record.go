package wording

// recordText are the sentences of ctkeeper record.
var recordText = []sentence{
	{"record_progress",
		"{events:count} events, {lost:count} lost, {open:count} flows open, {flows:count} written",
		"{events:count} événements, {lost:count} perdus, {open:count} flux ouverts, {flows:count} écrits"},
	{"record_done",
		"{flows:count} flows written to {files:count} {files:plural|file|files} in {dir}: {bytes:bytes}, {per} bytes a flow",
		"{flows:count} flux écrits dans {files:count} {files:plural|fichier|fichiers} sous {dir} : {bytes:bytes}, {per} octets par flux"},
	{"record_lost",
		"{lost:count} events were lost; after each loss the table was read again ({reads:count} times in all), so that only times are less certain",
		"{lost:count} événements ont été perdus ; après chaque perte la table a été relue ({reads:count} fois en tout) : seules les dates sont moins sûres"},
	{"record_torn",
		"{file} was torn when its recording died; it is removed",
		"{file} était incomplet, son enregistrement étant mort ; il est supprimé"},
	{"record_sample",
		"{share:percent} of the new flows were recorded at the end; each row says the share that it stands for",
		"{share:percent} des nouveaux flux étaient enregistrés à la fin ; chaque ligne dit la part qu'elle représente"},
	{"record_refused",
		"{packets:count} packets were refused by a full table: their flows were never made, and are in no row",
		"{packets:count} paquets ont été refusés par une table pleine : leurs flux n'ont jamais existé et ne sont dans aucune ligne"},
	{"record_beyond",
		"{flows:count} flows were not followed: too many were open at once; record a share with --sample",
		"{flows:count} flux n'ont pas été suivis : trop étaient ouverts à la fois ; enregistrez-en une part avec --sample"},
	{"record_unsaved",
		"{flows:count} flows could not be written: the disk refused or was too slow",
		"{flows:count} flux n'ont pu être écrits : le disque a refusé ou était trop lent"},
}
