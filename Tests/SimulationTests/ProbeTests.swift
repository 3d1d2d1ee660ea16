import Simulation
import Testing

@Suite struct ProbeTests {
  private func times(_ probe: borrowing Probe) -> [UInt64] {
    (0..<probe.count).map { probe[$0].time.picoseconds }
  }
  // What `#expect` looks into must be copied.
  private func expect(_ value: Bool, _ place: SourceLocation = #_sourceLocation) {
    #expect(value, sourceLocation: place)
  }
  private func expect<V: Equatable>(
    _ value: V, _ wanted: V, _ place: SourceLocation = #_sourceLocation
  ) {
    #expect(value == wanted, sourceLocation: place)
  }
  private func wants(_ probe: borrowing Probe) -> Bool { probe.wantsDraining }
  private func count(_ probe: borrowing Probe) -> Int { probe.count }
  private func note(_ times: [UInt64], _ probe: inout Probe) {
    for time in times { probe.note(0, at: Instant(picoseconds: time), cpu: Int(time % 3)) }
  }

  @Test func readersGetWhatIsPastInTheOrderNotedAndEachOnce() {
    var probe = Probe()
    probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
    note([5, 20, 7, 10, 11], &probe)
    probe.part(at: Instant(picoseconds: 10))
    expect(times(probe), [5, 7, 10])
    probe.clear()
    note([12, 30], &probe)
    probe.part(at: Instant(picoseconds: 20))
    expect(times(probe), [20, 11, 12])
    probe.clear()
    probe.part(at: Instant(picoseconds: 29))
    expect(times(probe), [])
    probe.clear()
    probe.part(at: Instant(picoseconds: 30))
    expect(times(probe), [30])
    probe.clear()
    expect(count(probe), 0)
  }

  @Test func onlyTheWindowAndTheSelectedCPUsAreKept() {
    var probe = Probe()
    var selected = Buffer<UInt8>(3, 0)
    selected[1] = 1
    probe.start(from: Instant(picoseconds: 10), to: Instant(picoseconds: 20), selected: selected)
    note([7, 9, 10, 13, 16, 19, 22], &probe)
    probe.note(0, at: Instant(picoseconds: 14), cpu: -1)
    expect(times(probe), [10, 13, 16, 19, 14])
    probe.stop()
    note([16], &probe)
    expect(count(probe), 5)
  }

  /// However much waits, new records make it want draining, and none is lost.
  @Test func whatWaitsIsNotCountedAgain() {
    var probe = Probe()
    probe.start(from: .zero, to: .never, selected: Buffer(0, 0))
    let late = (0..<UInt64(5 * Probe.chunk)).map { 1_000_000 + $0 }
    note(late, &probe)
    expect(wants(probe))
    probe.part(at: .zero)
    expect(count(probe), 0)
    probe.clear()
    expect(!wants(probe))
    note(Array(0..<UInt64(Probe.chunk)), &probe)
    expect(!wants(probe))
    note([4], &probe)
    expect(wants(probe))
    probe.part(at: Instant(picoseconds: 2_000_000))
    expect(count(probe), 6 * Probe.chunk + 1)
    expect(Array(times(probe).prefix(late.count)), late)
  }
}
