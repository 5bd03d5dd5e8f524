# An echo server and its client:
#
#     elixir -pa _build/default/lib/gosocket/ebin examples/echo.exs
#
# Nothing has to be started: the first open starts the application and its helper.

defmodule Echo do
  # A socket belongs to the process that opened it, and is closed when that ends.
  def start do
    parent = self()

    spawn_link(fn ->
      {:ok, listener} = :gosocket.open(:inet, :stream, :tcp)
      {:ok, port} = :gosocket.bind(listener, %{family: :inet, addr: :loopback, port: 0})
      :ok = :gosocket.listen(listener)
      send(parent, {:port, port})
      accept(listener)
    end)

    receive do: ({:port, port} -> port)
  end

  defp accept(listener) do
    {:ok, socket} = :gosocket.accept(listener)
    echo(socket)
    accept(listener)
  end

  defp echo(socket) do
    case :gosocket.recv(socket) do
      {:ok, data} ->
        :ok = :gosocket.send(socket, data)
        echo(socket)

      {:error, :closed} ->
        :gosocket.close(socket)
    end
  end
end

port = Echo.start()
{:ok, socket} = :gosocket.open(:inet, :stream, :tcp)
:ok = :gosocket.connect(socket, %{family: :inet, addr: :loopback, port: port}, 5_000)

for word <- ~w(hello from Elixir) do
  :ok = :gosocket.send(socket, word)
  {:ok, ^word} = :gosocket.recv(socket, byte_size(word), 5_000)
  IO.puts("sent #{word}, received #{word}")
end

{:error, :timeout} = :gosocket.recv(socket, 1, 100)
IO.puts("nothing more to receive within 100 ms")
:ok = :gosocket.close(socket)
