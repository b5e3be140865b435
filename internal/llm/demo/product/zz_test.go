package product

import ("testing";"os";"path/filepath")

func TestWrite(t *testing.T) {
	idea := os.Getenv("IDEA"); dir := os.Getenv("OUT")
	if dir == "" { t.Skip() }
	os.RemoveAll(dir)
	m := Read(idea)
	if e := os.Getenv("EXT"); e != "" { m, _ = m.Extend(e) }
	write(t, dir, join(m.Scaffold(), m.Backend(), m.Frontend(FindStyle(os.Getenv("STYLE"))), m.Tests(), m.Deploy(), m.Monitoring(), tree{"specs/openapi.yaml": m.OpenAPI(), "specs/data-model.yaml": m.YAML(), "checks.yaml": m.ChecksYAML(), "DS.md": m.DesignSystem(FindStyle(os.Getenv("STYLE")))}))
}
func TestDesigns(t *testing.T) {
	dir := os.Getenv("OUT")
	if dir == "" { t.Skip() }
	m := Read(os.Getenv("IDEA"))
	for n := 1; n <= 3; n++ {
		_, _, h, r := m.Design(n)
		os.WriteFile(filepath.Join(dir, "d"+string(rune('0'+n))+".html"), []byte(h), 0o644)
		t.Log(r)
	}
}
