// Package openapitest checks answers of the API against its OpenAPI document. It is for tests.
package openapitest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// schema is the part of JSON Schema that the document uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Enum       []string           `json:"enum"`
	Required   []string           `json:"required"`
	Properties map[string]*schema `json:"properties"`
	Additional *schema            `json:"additionalProperties"`
	Items      *schema            `json:"items"`
	Format     string             `json:"format"`
}

// Document is what of an OpenAPI document is checked.
type Document struct {
	Paths map[string]struct {
		Get struct {
			Parameters []struct {
				Name, In string
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema *schema }
			}
		}
	}
	Components struct{ Schemas map[string]*schema }
}

// check tells where a value is not what its schema says: a field that is not described is wrong too.
func (d *Document) check(at string, s *schema, v any) (faults []string) {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		if s = d.Components.Schemas[name]; s == nil {
			return []string{at + ": no schema " + name}
		}
	}
	if s.Type != nil && !s.takes(kind(v)) {
		return []string{fmt.Sprintf("%s: %s, not %v", at, kind(v), s.Type)}
	}
	switch v := v.(type) {
	case map[string]any:
		return append(faults, d.checkObject(at, s, v)...)
	case []any:
		for i, item := range v {
			faults = append(faults, d.check(fmt.Sprintf("%s[%d]", at, i), s.Items, item)...)
		}
	case string:
		if s.Enum != nil && !strings.Contains(" "+strings.Join(s.Enum, " ")+" ", " "+v+" ") {
			faults = append(faults, fmt.Sprintf("%s: %q is none of %v", at, v, s.Enum))
		}
		if _, err := time.Parse(time.RFC3339, v); s.Format == "date-time" && err != nil {
			faults = append(faults, at+": "+err.Error())
		}
	}
	return faults
}

// takes tells whether a kind is one of the schema's types; an integer is a number.
func (s *schema) takes(kind string) bool {
	types := fmt.Sprint(s.Type)
	return strings.Contains(types, kind) || kind == "integer" && strings.Contains(types, "number")
}

func (d *Document) checkObject(at string, s *schema, v map[string]any) (faults []string) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			faults = append(faults, at+"."+name+" is missing")
		}
	}
	for name, item := range v {
		sub := s.Properties[name]
		if sub == nil {
			sub = s.Additional
		}
		if sub == nil && (s.Properties != nil || s.Additional != nil) {
			faults = append(faults, at+"."+name+" is not described")
		}
		faults = append(faults, d.check(at+"."+name, sub, item)...)
	}
	return faults
}

func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// Parse reads a document.
func Parse(text []byte) (d Document, err error) {
	err = json.Unmarshal(text, &d)
	return d, err
}

// Faults tells where an answer is not what the document says of its path and code; nil where it is.
func (d *Document) Faults(path string, code int, body []byte) []string {
	response, ok := d.Paths[path].Get.Responses[fmt.Sprint(code)]
	if !ok {
		return []string{fmt.Sprintf("%s: the code %d is not described", path, code)}
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return []string{err.Error()}
	}
	content := response.Content["application/json"]
	if content.Schema == nil {
		return []string{fmt.Sprintf("%s: no schema for %d", path, code)}
	}
	return d.check("", content.Schema, v)
}
