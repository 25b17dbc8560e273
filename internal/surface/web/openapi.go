package web

// openAPI describes the API for machines (OpenAPI 3.1).
func openAPI() any {
	type object = map[string]any
	param := func(name, about string) object {
		return object{"name": name, "in": "query", "required": false, "description": about, "schema": object{"type": "string"}}
	}
	space := param("namespace", "a namespace by name or inode; the machine's first without it")
	lang := param("lang", "en or fr")
	span := []any{space, param("from", "RFC 3339 or seconds since 1970"), param("to", "likewise"), param("last", "seconds back from now, instead of from and to"),
		param("limit", "how many at most")}
	get := func(summary, schema string, params ...any) object {
		ok := object{"description": "schema " + schema, "content": object{"application/json": object{"schema": object{"type": "object"}}}}
		if params == nil {
			params = []any{}
		}
		return object{"get": object{"summary": summary, "parameters": params, "responses": object{"200": ok,
			"400": object{"description": "a parameter makes no sense"}, "401": object{"description": "wrong token, or none"},
			"403": object{"description": "a foreign Host or Origin"}, "429": object{"description": "too many requests"}}}}
	}
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "ctkeeper", "version": "1", "description": "What the daemon knows of the connection-tracking table. Read only."},
		"paths": object{
			"/api/v1/snapshot":     get("what is known now", "ctkeeper.watch/1"),
			"/api/v1/flows":        get("the ranking of the last read of a table", "ctkeeper.ranking/1", space, param("by", "src, dst, src_prefix, dst_prefix, dport, zone or state")),
			"/api/v1/findings":     get("the doctor's report", "ctkeeper.doctor/1", lang),
			"/api/v1/settings":     get("settings with default and origin", "ctkeeper.settings/1", space, lang),
			"/api/v1/history":      get("samples over a range", "ctkeeper.history/1", span...),
			"/api/v1/incidents":    get("incidents, newest first", "ctkeeper.incidents/1", span[1:]...),
			"/api/v1/words":        get("the page's sentences", "a mapping from code to sentence", lang),
			"/api/v1/events":       get("the snapshot every second, as server-sent events named snapshot", "ctkeeper.watch/1"),
			"/api/v1/openapi.json": get("this document", "OpenAPI 3.1"),
		},
	}
}
