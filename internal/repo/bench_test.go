package repo

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

func smallTree(n int) map[string][]byte {
	put := map[string][]byte{}
	for i := range n {
		put[fmt.Sprintf("src/pkg%d/file%d.go", i%10, i)] = fmt.Appendf(nil, "package pkg%d\n\nconst n = %d\n", i%10, i)
	}
	return put
}

func benchRepo(b *testing.B, files int) (*Repo, string) {
	b.Helper()
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r, err := s.Create(b.Context(), "prj_bench")
	if err != nil {
		b.Fatal(err)
	}
	c := spec(0, "base")
	c.Put = smallTree(files)
	commit, err := r.Commit(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	return r, commit
}

// reportCPU adds the processor time of this process and of git, which, unlike
// the time that passed, means the same on a busy machine.
func reportCPU(b *testing.B) func() {
	b.Helper()
	read := func(who int) float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
	}
	self, children := read(syscall.RUSAGE_SELF), read(syscall.RUSAGE_CHILDREN)
	return func() {
		b.ReportMetric((read(syscall.RUSAGE_SELF)-self)/float64(b.N), "self-cpu-ms/op")
		b.ReportMetric((read(syscall.RUSAGE_CHILDREN)-children)/float64(b.N), "git-cpu-ms/op")
	}
}

func BenchmarkWorktreeCommit(b *testing.B) {
	for _, files := range []int{100, 5000} {
		for _, fresh := range []bool{false, true} {
			b.Run(fmt.Sprintf("files=%d/new=%v", files, fresh), func(b *testing.B) {
				r, commit := benchRepo(b, files)
				w, err := r.Worktree(b.Context(), "w", commit)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := w.Commit(b.Context(), spec(1, "warm")); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				defer reportCPU(b)()
				for i := range b.N {
					name := "src/pkg1/file1.go"
					if fresh {
						name = fmt.Sprintf("src/new/file%d.go", i)
					}
					if err := w.WriteFile(name, fmt.Appendf(nil, "package x // %d %v\n", i, time.Now())); err != nil {
						b.Fatal(err)
					}
					if _, changed, err := w.Commit(b.Context(), spec(i, "step")); err != nil || len(changed) != 1 {
						b.Fatal(changed, err)
					}
				}
			})
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	r, commit := benchRepo(b, 100)
	b.ResetTimer()
	defer reportCPU(b)()
	for i := range b.N {
		c := spec(i, "step")
		c.Parent, c.Put = commit, map[string][]byte{"docs/a.md": fmt.Appendf(nil, "%d\n", i)}
		var err error
		if commit, err = r.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkImport(b *testing.B) {
	r, _ := benchRepo(b, 1)
	b.ResetTimer()
	defer reportCPU(b)()
	for i := range b.N {
		c := spec(i, "import")
		c.Put = map[string][]byte{}
		for n := range 2000 {
			c.Put[fmt.Sprintf("src/pkg%d/file%d.go", n%50, n)] = fmt.Appendf(nil, "package pkg%d\n\nconst n = %d-%d\n", n%50, n, i)
		}
		if _, err := r.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	r, base := benchRepo(b, 100)
	side := func(i int, path string) string {
		c := spec(i, "side")
		c.Parent, c.Put = base, map[string][]byte{path: fmt.Appendf(nil, "%d\n", i)}
		commit, err := r.Commit(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		return commit
	}
	ours := side(0, "a.txt")
	b.ResetTimer()
	defer reportCPU(b)()
	for i := range b.N {
		b.StopTimer()
		theirs := side(i, "b.txt")
		b.StartTimer()
		if m, err := r.Merge(b.Context(), ours, theirs, spec(i, "merge")); err != nil || m.Commit == "" {
			b.Fatal(m, err)
		}
	}
}

func BenchmarkCheckout(b *testing.B) {
	r, commit := benchRepo(b, 100)
	b.ResetTimer()
	defer reportCPU(b)()
	for range b.N {
		if err := r.Checkout(b.Context(), commit, b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReset(b *testing.B) {
	r, commit := benchRepo(b, 100)
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := r.Worktree(b.Context(), "w", commit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	files := make([]File, 0, MaxFiles)
	for i := range MaxFiles {
		files = append(files, File{Path: fmt.Sprintf("src/pkg%04d/file%d.go", i/10, i), Mode: ModeFile, Blob: emptyTree})
	}
	for b.Loop() {
		Digest(files, []string{"src/**/*.{go,ts}", "docs/**", "!**/*_test.go"})
	}
}
