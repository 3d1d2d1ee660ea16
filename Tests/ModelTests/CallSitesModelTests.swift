import Hardware
import Simulation
import Testing

@testable import Kernel

/// The table of call sites against a dictionary.
@Suite struct CallSitesModelTests {
  @Test("objects are found until they are freed, and each site's sums are right", arguments: 1...20)
  func model(seed: UInt64) throws {
    var random = RandomStream(seed: seed, name: "call sites", index: 0)
    var sites = CallSites(siteCount: 4, isOn: true)
    var model: [UInt64: (site: Int, cpu: Int)] = [:]
    var (requested, cross, now) = ([UInt64](repeating: 0, count: 4), 0, Instant.zero)
    for _ in 0..<6000 {
      now += .nanoseconds(10)
      // Addresses that collide: few pages, all multiples of 64.
      let address = 0xFFFF_8880_0000_0000 + UInt64(random.below(3000)) * 64
      let cpu = random.below(3)
      if random.below(5) < 3 {
        let (site, size) = (random.below(4), UInt64(random.below(500)))
        sites.allocated(
          Address(address), site: Int16(site), size: size, given: 512, way: .fast,
          took: .nanoseconds(5), on: CPUID(cpu), at: now)
        model[address] = (site, cpu)
        requested[site] += size
      } else {
        sites.freed(Address(address), on: CPUID(cpu), at: now)
        if let known = model.removeValue(forKey: address), known.cpu != cpu { cross += 1 }
      }
    }
    try sites.checkInvariants()
    var live: [UInt64: Int] = [:]
    sites.forEachLive { address, site, _, _ in live[address.raw] = site }
    #expect(live == model.mapValues(\.site))
    let totals = (0..<4).map { sites.totals[$0] }
    #expect(totals.map(\.requested) == requested)
    #expect(totals.reduce(0) { $0 + $1.live } == model.count)
    #expect(totals.reduce(0) { $0 + Int($1.crossCPUFrees) } == cross)
  }
}
