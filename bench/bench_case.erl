%% @doc What is measured: one function for each kind of case. Each opens its sockets, runs warm for a
%% while, measures, and leaves nothing behind.
-module(bench_case).

-export([pingpong/4, pingpong_select/4, pingpong_udp/4, udp/4, acceptors/4]).

%% For other cases.
-export([serve/3]).

-import(bench_api, [listen/1, port/1, accept/1, connect/2, connect/3, send/2, recv/2, recv_select/2, close/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

%% @doc Pairs of processes exchange small messages over TCP; counts round trips.
-spec pingpong(bench_api:api(), pos_integer(), pos_integer(), float()) -> bench_run:result().
pingpong(Api, Pairs, Size, Seconds) ->
    exchange(Api, fun(S) -> recv(S, Size) end, Pairs, binary:copy(<<"x">>, Size), Seconds).

%% @doc The same with nowait calls and select messages.
-spec pingpong_select(socket | gosocket, pos_integer(), pos_integer(), float()) -> bench_run:result().
pingpong_select(Api, Pairs, Size, Seconds) ->
    exchange(Api, fun(S) -> recv_select(S, Size) end, Pairs, binary:copy(<<"x">>, Size), Seconds).

-type receiver() :: fun((bench_api:socket()) -> ok | {error, term()}).

-spec exchange(bench_api:api(), receiver(), pos_integer(), binary(), float()) -> bench_run:result().
exchange(Api, Receive, Pairs, Message, Seconds) ->
    {Port, Stop} = serve(Api, Pairs, fun(S) -> echo(S, Receive, Message) end),
    Prepare = fun() ->
                      S = connect(Api, Port),
                      fun() -> ok = send(S, Message), ok = Receive(S), 1 end
              end,
    bench_run:rate(lists:duplicate(Pairs, Prepare), Seconds, Stop).

-spec echo(bench_api:socket(), receiver(), binary()) -> term().
echo(S, Receive, Message) ->
    case Receive(S) of
        ok ->
            case send(S, Message) of
                ok -> echo(S, Receive, Message);
                Error -> Error
            end;
        Error ->
            Error
    end.

%% @doc Pairs of processes exchange small messages over UDP, each process with a socket of its own.
-spec pingpong_udp(socket | gosocket, pos_integer(), pos_integer(), float()) -> bench_run:result().
pingpong_udp(Api, Pairs, Size, Seconds) ->
    Message = binary:copy(<<"x">>, Size),
    Parent = self(),
    Stop = bench_run:server(
             fun() ->
                     accept_with(Pairs, fun() ->
                                                Server = bench_api:udp(Api),
                                                Parent ! {bound, port(Server)},
                                                answer(Server)
                                        end)
             end),
    Ports = [receive {bound, Port} -> Port end || _ <- lists:seq(1, Pairs)],
    bench_run:rate([fun() -> asker(bench_api:udp(Api), Port, Message) end || Port <- Ports], Seconds, Stop).

-spec asker(bench_api:socket(), inet:port_number(), binary()) -> bench_run:step().
asker(Client, Port, Message) ->
    To = #{family => inet, addr => ?LOOPBACK, port => Port},
    fun() ->
            ok = bench_api:sendto(Client, Message, To),
            {ok, {_, _}} = bench_api:recvfrom(Client),
            1
    end.

%% @doc This many processes receive from one UDP socket and answer; as many clients wait for one answer each.
-spec udp(socket | gosocket, pos_integer(), pos_integer(), float()) -> bench_run:result().
udp(Api, Receivers, Size, Seconds) ->
    Message = binary:copy(<<"x">>, Size),
    Parent = self(),
    Stop = bench_run:server(
             fun() ->
                     Server = bench_api:udp(Api),
                     Parent ! {self(), port(Server)},
                     [spawn_link(fun() -> answer(Server) end) || _ <- lists:seq(2, Receivers)],
                     answer(Server)
             end),
    Port = receive {_, P} -> P end,
    Prepare = fun() -> asker(bench_api:udp(Api), Port, Message) end,
    bench_run:rate(lists:duplicate(Receivers, Prepare), Seconds, Stop).

-spec answer(bench_api:socket()) -> term().
answer(Server) ->
    case bench_api:recvfrom(Server) of
        {ok, {From, Data}} ->
            ok = bench_api:sendto(Server, Data, From),
            answer(Server);
        Error ->
            Error
    end.

%% @doc This many processes accept on one listener; as many clients connect, read one byte and hang up.
-spec acceptors(bench_api:api(), pos_integer(), pos_integer(), float()) -> bench_run:result().
acceptors(Api, Acceptors, Clients, Seconds) ->
    {Port, Stop} = listen_with(Api, fun(L) -> accept_with(Acceptors, fun() -> greet(L) end) end),
    Connect = fun() ->
                      S = connect(Api, Port, [linger]),
                      ok = recv(S, 1),
                      ok = close(S),
                      1
              end,
    bench_run:rate(lists:duplicate(Clients, fun() -> Connect end), Seconds, Stop).

-spec greet(bench_api:socket()) -> no_return().
greet(L) ->
    S = accept(L),
    ok = send(S, <<"!">>),
    ok = close(S),
    greet(L).

%% @doc A listener and a process for each connection.
-spec serve(bench_api:api(), pos_integer(), fun((bench_api:socket()) -> term())) ->
          {inet:port_number(), Stop :: fun(() -> ok)}.
serve(Api, Connections, Serve) ->
    listen_with(Api, fun(L) -> accept_with(Connections, fun() -> Serve(accept(L)) end) end).

-spec listen_with(bench_api:api(), fun((bench_api:socket()) -> term())) ->
          {inet:port_number(), Stop :: fun(() -> ok)}.
listen_with(Api, Accept) ->
    Parent = self(),
    Stop = bench_run:server(fun() ->
                                    L = listen(Api),
                                    Parent ! {self(), port(L)},
                                    Accept(L)
                            end),
    {receive {_, Port} when is_integer(Port) -> Port end, Stop}.

%% The caller keeps the listener open, and its end is theirs.
-spec accept_with(pos_integer(), fun(() -> term())) -> no_return().
accept_with(Count, Serve) ->
    [spawn_link(Serve) || _ <- lists:seq(1, Count)],
    receive after infinity -> ok end.
