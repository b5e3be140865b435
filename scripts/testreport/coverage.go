package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// covered counts statements.
type covered struct{ hit, all int }

func (c covered) percent() float64 {
	if c.all == 0 {
		return 0
	}
	return 100 * float64(c.hit) / float64(c.all)
}

// reportCoverage prints the coverage of each package below o.prefix and of all
// of them, and returns an error when the whole is below o.minPercent.
func reportCoverage(o options, out io.Writer) error {
	packages, err := readProfile(o.profile, o.prefix)
	if err != nil {
		return err
	}
	var total covered
	names := make([]string, 0, len(packages))
	for name, c := range packages {
		names = append(names, name)
		total.hit += c.hit
		total.all += c.all
	}
	slices.Sort(names)
	for _, name := range names {
		c := packages[name]
		fmt.Fprintf(out, "coverage %5.1f%% of %5d statements in %s\n", c.percent(), c.all, strings.TrimPrefix(name, o.prefix))
	}
	fmt.Fprintf(out, "coverage %5.1f%% of %5d statements in all (at least %.0f%%)\n", total.percent(), total.all, o.minPercent)
	if total.percent() < o.minPercent {
		return fmt.Errorf("coverage %.1f%% is below %.0f%%", total.percent(), o.minPercent)
	}
	return nil
}

// readProfile merges a profile that several test programs wrote: a block is
// covered when any of them ran it.
func readProfile(name, prefix string) (map[string]covered, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open cover profile: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	type block struct {
		pkg        string
		statements int
		hit        bool
	}
	blocks := map[string]block{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "mode:") || !strings.HasPrefix(line, prefix) {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("cover profile %s: unreadable line %q", name, line)
		}
		statements, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("cover profile %s: unreadable line %q", name, line)
		}
		file, _, _ := strings.Cut(fields[0], ":")
		blocks[fields[0]] = block{pkg: path.Dir(file), statements: statements, hit: count > 0 || blocks[fields[0]].hit}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read cover profile: %w", err)
	}
	packages := map[string]covered{}
	for _, b := range blocks {
		c := packages[b.pkg]
		c.all += b.statements
		if b.hit {
			c.hit += b.statements
		}
		packages[b.pkg] = c
	}
	return packages, nil
}
