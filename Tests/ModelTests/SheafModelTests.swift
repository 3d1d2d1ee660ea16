import Hardware
import Simulation
import Testing

@testable import Kernel

/// Sheaves and barns as a mechanism, against arrays of arrays.
@Suite struct SheafModelTests {
  struct Model {
    var sheaves: [Int: [UInt16]] = [:]
    var free: [Int] = []
    var full: [Int] = []
    var empty: [Int] = []
  }

  /// Goal: storage that is recycled is never shared, and lists keep their order.
  /// Method: sheaves of random room come, fill, move between the barn's lists and go.
  @Test("agrees with arrays", arguments: 1...4 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    var sheaves = Sheaves()
    var model = Model()
    sheaves.barns.grow(to: 1, .blank)
    var (random, number) = (RandomStream(seed: seed, index: 0), UInt16(0))
    let cache = CacheID(1)
    for _ in 0..<20_000 {
      switch random.below(8) {
      case 0 where model.sheaves.count < 60:
        let id = sheaves.make(cache, capacity: 1 + random.below(70))
        #expect(model.sheaves[id.index] == nil)
        model.sheaves[id.index] = []
        model.free.append(id.index)
      case 1, 2, 3:
        guard let id = model.free.randomElement(&random) else { continue }
        guard !sheaves.isFull(ID(id)) else { continue }
        number &+= 1
        sheaves.append(ObjectRef(slab: ID(id), index: number), to: ID(id))
        model.sheaves[id]!.append(number)
      case 4:
        guard let id = model.free.randomElement(&random), !model.sheaves[id]!.isEmpty else {
          continue
        }
        let object = sheaves.takeLast(of: ID(id))
        #expect(object.index == model.sheaves[id]!.removeLast())
      case 5:
        guard !model.free.isEmpty else { continue }
        let id = model.free.remove(at: random.below(model.free.count))
        if model.sheaves[id]!.isEmpty {
          sheaves.putEmpty(ID(id), in: 0)
          model.empty.append(id)
        } else {
          sheaves.putFull(ID(id), in: 0)
          model.full.append(id)
        }
      case 6:
        let wantsFull = random.below(2) == 0
        let id = wantsFull ? sheaves.takeFull(from: 0) : sheaves.takeEmpty(from: 0)
        let wanted = wantsFull ? model.full.popLast() : model.empty.popLast()
        #expect((id.isNone ? nil : id.index) == wanted)
        if let wanted { model.free.append(wanted) }
      default:
        guard !model.free.isEmpty else { continue }
        let place = random.below(model.free.count)
        let id = model.free[place]
        guard model.sheaves[id]!.isEmpty else { continue }
        model.free.remove(at: place)
        model.sheaves[id] = nil
        sheaves.give(ID(id))
      }
      let (full, empty) = (sheaves.barns[0].fullCount, sheaves.barns[0].emptyCount)
      #expect(Int(full) == model.full.count && Int(empty) == model.empty.count)
    }
    for (id, objects) in model.sheaves {
      let sheaf = sheaves.all[ID<Sheaf>(id)]
      let held = (0..<Int(sheaf.size)).map { sheaves.objects[Int(sheaf.base) + $0].index }
      #expect(held == objects)
    }
  }

  @Test("the main sheaf's size is its CPU's, and comes back when it is another's turn")
  func main() {
    var sheaves = Sheaves()
    sheaves.cpus.grow(to: 1, .blank)
    let (first, second) = (
      sheaves.make(CacheID(0), capacity: 4), sheaves.make(CacheID(0), capacity: 4)
    )
    sheaves.setMain(first, at: 0)
    sheaves.cpus[0].spare = second
    for index in 0..<3 { sheaves.push(ObjectRef(slab: ID(0), index: UInt16(index)), at: 0) }
    sheaves.swapSpare(at: 0)
    let (size, other, spare) = (
      sheaves.cpus[0].size, sheaves.all[first].size, sheaves.cpus[0].spare
    )
    #expect(size == 0 && other == 3 && spare == first)
    sheaves.swapSpare(at: 0)
    let objects = (0..<3).map { _ in sheaves.pop(at: 0).index }
    #expect(objects == [2, 1, 0])
  }
}

extension Array {
  /// One of its elements, drawn from a stream.
  fileprivate func randomElement(_ random: inout RandomStream) -> Element? {
    isEmpty ? nil : self[random.below(count)]
  }
}
