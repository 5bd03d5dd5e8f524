# The helper driven from Elixir by a port, with nothing of the Erlang application (docs/protocol.md):
#
#     elixir test/protocol.exs priv/gosocket
#
# Prints a line for each part that went well.

defmodule Client do
  @patience 15_000

  def start(path) do
    args = ["-loops", "1", "-log-level", "error", "-window", "4096"]
    port = Port.open({:spawn_executable, path}, [{:packet, 4}, :binary, :exit_status, args: args])
    {:hello, %{protocol: 0, window: 4096, pid: pid}} = next(port)
    {:os_pid, ^pid} = Port.info(port, :os_pid)
    :ok = ask(port, 0, {:hello, %{watch: false, delivered: false, consumed: false, closed: false}})
    port
  end

  def tell(port, item), do: tell_bytes(port, :erlang.term_to_binary(item))

  def tell_bytes(port, bytes), do: true = Port.command(port, bytes)

  def next(port) do
    receive do
      {^port, {:data, frame}} -> :erlang.binary_to_term(frame)
      {^port, {:exit_status, status}} -> raise "the helper ended with status #{status}"
    after
      @patience -> raise "no frame"
    end
  end

  def ask(port, id, call) do
    tell(port, {id, call})
    {^id, result} = next(port)
    result
  end

  def pair(port) do
    {:ok, {listener, _, _, _, _}} = ask(port, 1, {:open, :me, :inet, :stream, :tcp, %{}})
    {:ok, number} = ask(port, 2, {:bind, listener, %{family: :inet, addr: :loopback, port: 0}})
    :ok = ask(port, 3, {:listen, listener, 5})
    {:ok, {a, _, _, _, _}} = ask(port, 4, {:open, :me, :inet, :stream, :tcp, %{}})
    address = %{family: :inet, addr: {127, 0, 0, 1}, port: number}
    :ok = ask(port, 5, {:connect, a, :me, address, 5_000, []})
    {:ok, {b, _, _, _, _}} = ask(port, 6, {:accept, listener, :me, 5_000, []})
    {:ok, ^address} = ask(port, 7, {:peername, a})
    {a, b}
  end

  # Answers wants with the bytes asked for until the send is answered.
  def feed(port, id, socket, data) do
    case next(port) do
      {:want, ^id, offset, size} ->
        tell(port, {:chunk, socket, id, offset, binary_part(data, offset, size)})
        feed(port, id, socket, data)

      {^id, result} ->
        result
    end
  end
end

[path] = System.argv()
port = Client.start(path)
IO.puts("hello")

{a, b} = Client.pair(port)
:ok = Client.ask(port, 8, {:send, a, :me, [], :infinity, [], 4, "ping"})
{:ok, "ping"} = Client.ask(port, 9, {:recv, b, :me, 4, [], 5_000, []})
{:error, :timeout} = Client.ask(port, 10, {:recv, b, :me, 4, [], 10, []})
IO.puts("echo")

{:select, {:select_info, :recv, :ref}} = Client.ask(port, 11, {:recv, b, :me, 0, [], :nowait, :ref})
Client.tell(port, [{12, {:send, a, :me, [], :infinity, [], 4, "pong"}}])
frames = Enum.sort([Client.next(port), Client.next(port)])
[{12, :ok}, {:select, ^b, :me, :ref}] = frames
{:ok, "pong"} = Client.ask(port, 13, {:recv, b, :me, 0, [], :nowait, :ref})
IO.puts("select")

data = :crypto.strong_rand_bytes(20_000)
Client.tell(port, {14, {:send, a, :me, [], :infinity, [], 20_000, binary_part(data, 0, 4096)}})
:ok = Client.feed(port, 14, a, data)
{:ok, ^data} = Client.ask(port, 15, {:recv, b, :me, 20_000, [], 5_000, []})
IO.puts("credit")

Client.tell_bytes(port, <<131, 255>>)
{:bad, :tag, 1} = Client.next(port)
{:raise, :badarg} = Client.ask(port, 16, {:no_such_call, a})
IO.puts("bad")

for {socket, id} <- [{a, 17}, {b, 18}], do: :ok = Client.ask(port, id, {:close, socket, :me})
{:error, :closed} = Client.ask(port, 19, {:sockname, a})
true = Port.close(port)
IO.puts("done")
