package wording

// flowsText is what the flows commands say beside the flows.
var flowsText = []sentence{
	{"flows_resized", "the table was resized while it was read: flows may be missing or listed twice", "la table a été redimensionnée pendant la lecture : des flux peuvent manquer ou paraître deux fois"},
	{"flows_buckets_written", "somebody set the number of buckets while the table was read: flows may be missing or listed twice", "le nombre de seaux a été écrit pendant la lecture : des flux peuvent manquer ou paraître deux fois"},
	{"flows_interrupted", "the kernel says that the table changed under the reading: flows may be missing or listed twice", "le noyau dit que la table a changé pendant la lecture : des flux peuvent manquer ou paraître deux fois"},
	{"flows_buckets_unreadable", "the number of buckets cannot be read: whether the table was resized during the reading is not known", "le nombre de seaux n'est pas lisible : on ne sait pas si la table a été redimensionnée pendant la lecture"},
	{"flows_text_source", "read from {path}, because {why}: identities, labels and most status marks are not told there, and flows may be missing or doubled while the table changes", "lu dans {path}, car {why} : les identités, les étiquettes et la plupart des marques d'état n'y figurent pas, et des flux peuvent manquer ou paraître deux fois quand la table change"},
	{"flows_bad_lines", "{lines:count} lines left out that are no flow; the first: {first}", "{lines:count} lignes laissées de côté, qui ne sont pas des flux ; la première : {first}"},
}
