import Foundation
import Simulation
import Testing

@testable import Timeline

@Suite struct Probing {
  @Test func look() throws {
    var r = Recording(from: 100, to: 10_000)
    r.addSwitch(from: 100, to: 0, at: 500, cpu: 0)
    r.add(.irqEntry, at: 550, cpu: 1, a: 24, b: Name.eth0.rawValue)
    r.add(.lockHold, at: 560, picoseconds: 300, cpu: 0, a: 0, b: 0xDC0, c: 3 | 0xFFFF_FFFF << 32)
    r.add(.lockWait, at: 560, picoseconds: 400, cpu: 0, a: 1)
    r.add(.lockRelease, at: 560, picoseconds: 500, cpu: 0, a: 0)
    r.add(.shootdown, at: 600, cpu: 0, a: 64)
    r.add(.sendIPI, at: 610, cpu: 0, a: 7, b: 1)
    r.add(.sendIPI, at: 611, cpu: 0, a: 8, b: 2)
    r.add(.kmalloc, at: 612, cpu: 2, a: 0xFFFF_8880_0123_4560, b: 100 | 128 << 32, c: 0xCC0)
    r.add(.allocVmapArea, at: 612, cpu: 2, a: 0xFFFF_C900_0123_4560, b: 100, c: 2 << 32)
    r.add(.handleIPI, at: 630, cpu: 1, a: 7)
    r.add(.handleIPI, at: 630, cpu: 2, a: 8)
    r.add(.handleIPIEnd, at: 640, cpu: 1)
    r.add(.handleIPIEnd, at: 641, cpu: 2)
    r.add(.shootdownEnd, at: 650, cpu: 0)
    r.add(.freePages, at: 651, cpu: -1, a: 1234, b: 4)
    r.add(.pcpCount, at: 652, cpu: 1, a: 0xFFFF_FFFF)
    r.add(.purge, at: 653, cpu: 3, a: 5)
    r.add(.irqExit, at: 700, cpu: 1, a: 24)
    r.add(.softirqExit, at: 710, cpu: 1, a: 3)
    r.add(.softirqEntry, at: 720, cpu: 1, a: 3)
    for f in TimelineFormat.allCases {
    let w = try r.write(f, table(cpus: 4), initiallyRunning: [0, 0, 101])
    try Data(w.bytes).write(to: URL(fileURLWithPath: "/tmp/look" + f.suffix))
    print(w.tallies, w.arrows)
    }
  }
}
