package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestKernelDocsNameTests holds docs/kernel: every claim names a test, every test that is named exists, every case that
// is named is a file, and the index names every page.
func TestKernelDocsNameTests(t *testing.T) {
	tests, root := testNames(t), "../../docs/kernel"
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages in %s: %v", len(pages), root, err)
	}
	index, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*(?:/[a-z][\w-]*)?`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(page)
		if base != "README.md" && !strings.Contains(string(index), "("+base+")") {
			t.Errorf("README.md does not name %s", base)
		}
		claims := 0
		for n, line := range strings.Split(string(text), "\n") {
			cells := strings.Split(line, "|")
			claim := base != "README.md" && len(cells) == 4 && !strings.HasPrefix(line, "|---") && strings.TrimSpace(cells[1]) != "claim"
			named := name.FindAllString(line, -1)
			if claim {
				claims++
				if named = name.FindAllString(cells[2], -1); len(named) == 0 {
					t.Errorf("%s:%d: a claim without a test", base, n+1)
				}
			}
			for _, one := range named {
				test, sub, _ := strings.Cut(one, "/")
				if !tests[test] {
					t.Errorf("%s:%d: there is no %s", base, n+1, test)
				}
				if _, err := os.Stat("../conntrack/model/testdata/cases/" + sub + ".txt"); claim && test == "TestCases" && (sub == "" || err != nil) {
					t.Errorf("%s:%d: no case %q", base, n+1, sub)
				}
			}
		}
		if claims == 0 && base != "README.md" {
			t.Errorf("%s claims nothing", base)
		}
	}
}

// testNames are all tests and fuzz targets of the project.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, dir := range []string{"../../cmd", "../../bench", ".."} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range function.FindAllStringSubmatch(string(text), -1) {
				names[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
