package proof

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// block is one stretch of statements of a coverage profile.
type block struct {
	file                                 string
	startLine, startCol, endLine, endCol int
	statements                           int
	hit                                  bool
}

// readProfile parses a profile that go test wrote in mode set. Its error is
// for people.
func readProfile(data []byte) ([]block, error) {
	var out []block
	for i, line := range bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n")) {
		text := string(line)
		if i == 0 {
			if text != "mode: set" {
				return nil, fmt.Errorf("the coverage profile begins with %q and not with its mode", shorten(text, 60))
			}
			continue
		}
		b, err := readBlock(text)
		if err != nil {
			return nil, fmt.Errorf("coverage profile line %d: %w", i+1, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// readBlock parses "file.go:1.2,3.4 statements count".
func readBlock(text string) (block, error) {
	bad := fmt.Errorf("%q is not a block", shorten(text, 80))
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return block{}, bad
	}
	colon := strings.LastIndexByte(fields[0], ':')
	if colon < 0 {
		return block{}, bad
	}
	numbers := strings.FieldsFunc(fields[0][colon+1:], func(r rune) bool { return r == '.' || r == ',' })
	numbers = append(numbers, fields[1:]...)
	if len(numbers) != 6 {
		return block{}, bad
	}
	var n [6]int
	for i, s := range numbers {
		v, err := strconv.Atoi(s)
		if err != nil || v < 0 {
			return block{}, bad
		}
		n[i] = v
	}
	return block{
		file: fields[0][:colon], startLine: n[0], startCol: n[1], endLine: n[2], endCol: n[3],
		statements: n[4], hit: n[5] > 0,
	}, nil
}

// fileCoverage is how much of one file ran.
type fileCoverage struct {
	name           string
	total, covered int
}

// goCoverage adds up the profiles of several runs over the files of the product.
// Every named file must be in it, every line in the file, and the platform's own
// file must have run by exactly the half that its canary took. Files that no
// test links count with all their statements.
func (w *work) goCoverage(p *goProduct, runs []*packageRun) ([]fileCoverage, []string) {
	sources := map[string]string{} // name in a profile → path
	for _, pkg := range p.packages {
		for _, f := range pkg.files {
			sources[path.Join(importPath(p.path, pkg.dir), path.Base(f))] = f
		}
	}
	lines := map[string]int{}
	merged := map[string]map[block]bool{} // path → block without hit → hit
	var problems []string
	for _, run := range runs {
		blocks, err := readProfile(run.profile)
		if len(run.profile) == 0 || err != nil {
			problems = append(problems, fmt.Sprintf("%s: the tests left no coverage profile (%v)", run.pkg.dir, err))
			continue
		}
		problems = append(problems, run.ownCoverage(p, blocks)...)
		for _, b := range blocks {
			file, known := sources[b.file]
			if !known {
				if !w.isOwn(b.file) {
					problems = append(problems, fmt.Sprintf("%s: the coverage profile names %s, which this commit does not have", run.pkg.dir, b.file))
				}
				continue
			}
			if lines[file] == 0 {
				lines[file] = w.countLines(file)
			}
			if b.startLine < 1 || b.endLine < b.startLine || b.endLine > lines[file] {
				problems = append(problems, fmt.Sprintf("%s: the coverage profile names line %d of %s, which has %d", run.pkg.dir, b.endLine, file, lines[file]))
				continue
			}
			hit := b.hit
			b.hit, b.file = false, ""
			if merged[file] == nil {
				merged[file] = map[block]bool{}
			}
			merged[file][b] = merged[file][b] || hit
		}
	}
	return w.sumCoverage(p, merged), problems
}

// isOwn reports whether a name in a profile is a file that the platform added
// to some package.
func (w *work) isOwn(name string) bool { return slices.Contains(w.secrets, path.Base(name)) }

// ownCoverage checks the file that the platform added to the package: the
// canary passed in this run, so one half ran and the other did not.
func (run *packageRun) ownCoverage(p *goProduct, blocks []block) []string {
	name := path.Join(importPath(p.path, run.pkg.dir), run.canary.file)
	var good, bad, seen bool
	for _, b := range blocks {
		if b.file != name {
			continue
		}
		seen = true
		good = good || b.startLine < goodLine && b.endLine > goodLine && b.hit
		bad = bad || b.startLine <= badLine && b.endLine >= badLine && b.startLine > goodLine && b.hit
	}
	if !seen || !good || bad {
		return []string{run.pkg.dir + ": the coverage profile contradicts what the platform knows of the run"}
	}
	return nil
}

func (w *work) countLines(name string) int {
	data, err := w.tree.read(name)
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte("\n")) + 1
}

func (w *work) sumCoverage(p *goProduct, merged map[string]map[block]bool) []fileCoverage {
	var out []fileCoverage
	for _, pkg := range p.packages {
		for _, file := range pkg.files {
			c := fileCoverage{name: file}
			for b, hit := range merged[file] {
				c.total += b.statements
				if hit {
					c.covered += b.statements
				}
			}
			if merged[file] == nil {
				c.total = w.countStatements(file)
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b fileCoverage) int { return cmp.Compare(a.name, b.name) })
	return out
}

// countStatements counts a file's statements as the cover tool does: those of
// every list of statements in a function.
func (w *work) countStatements(name string) int {
	src, err := w.tree.read(name)
	if err != nil {
		return 0
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
	if err != nil {
		return 0
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.BlockStmt:
			n += ofBlock(x.List)
		case *ast.CaseClause:
			n += len(x.Body)
		case *ast.CommClause:
			n += len(x.Body)
		}
		return true
	})
	return n
}

// ofBlock leaves out the clauses of a switch, which are not statements.
func ofBlock(stmts []ast.Stmt) int {
	n := 0
	for _, s := range stmts {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause:
		default:
			n++
		}
	}
	return n
}

// mergedProfile writes the sum in the form of a profile, for people's tools.
func mergedProfile(files []fileCoverage) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s %d/%d\n", f.name, f.covered, f.total)
	}
	return b.Bytes()
}
