import Testing

@testable import Report
@testable import Run

/// How agreement is drawn.
@Suite struct VerifyTextTests {
  static var result: VerifyResult {
    var file = FileAgreement(
      file: "/a/long/path/to/recordings/6.12-8c2n/slab_cpu_partial_64_remote.vec",
      kind: .operations, kernel: "6.12", machine: "8 CPUs, 2 nodes, 3 GiB")
    file.compare(
      FigureDifference(
        line: 7, subject: "op 1 cache cache=s1 size=64", key: "param.align", recorded: "8",
        emulated: "8"), group: "param")
    file.compare(
      FigureDifference(
        line: 9, subject: "op 2 ksizes size=1 n=256", key: "sizes",
        recorded: (1...40).map { "\($0):\($0)" }.joined(separator: " "), emulated: "none"),
      group: "sizes")
    file.compareVarying(
      FigureDifference(line: 11, subject: "op 3", key: "x", recorded: "1 | 3", emulated: "2"),
      isInRange: true)
    file.notes = ["recorded with page events off: they are not compared"]
    var other = FileAgreement(file: "b.vec", kind: .operations, kernel: "6.12", machine: "")
    other.unsupported = .init(line: 4, operation: "churn cpus=0-1")
    return VerifyResult(files: [file, other])
  }

  @Test func textNamesFigurePlaceAndBothAnswersInEightyColumns() {
    let text = VerifyText.render(Self.result)
    #expect(text.contains("param.align") == false)
    #expect(text.contains("slab_cpu_partial_64_remote.vec:9: op 2"))
    #expect(text.contains("kernel  1:1 2:2") && text.contains("kmemu   none"))
    #expect(text.contains("b.vec:4: not supported"))
    #expect(text.contains("1 of 2 figures agree"))
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }

  @Test func jsonHasTheContractedNames() {
    let text = VerifyJSON.render(Self.result)
    for name in [
      "\"schema\": \"kmemu.verify/1\"", "\"figures\": 2", "\"agree\": 1", "\"varying\": 1",
      "\"varying_in_range\": 1", "\"differences\": [", "\"unsupported\": null",
    ] { #expect(text.contains(name), "\(name)") }
  }

  @Test func markdownIsATableForTheFidelityPage() {
    let text = VerifyMarkdown.render(Self.result)
    #expect(text.hasPrefix("| recorded on | what |"))
    #expect(
      text.contains("| `6.12-8c2n` | operation lists | 8 CPUs, 2 nodes, 3 GiB | 1 |  | 1 of 2 |"))
    #expect(text.contains("| slab_cpu_partial_64_remote | **1/2** |"))
    #expect(text.contains("not run: `churn cpus=0-1`"))
    #expect(text.contains("1 of 2 figures agree"))
  }
}
