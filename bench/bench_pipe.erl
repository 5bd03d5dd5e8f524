%% @doc The bare port program (bench/pipe_port.c), and the least lane there can be: a process in front of it.
-module(bench_pipe).

-export([open/1, send/2, recv/2, rest/2]).
-export([lane/1, call/1]).

-define(ELEMENT_BYTES, 60).

%% More in one frame is not better, as with gosocket's own lane.
-define(BATCH, 64).

-spec open(on | off) -> port().
open(Spin) ->
    Micros = case Spin of on -> bench_setup:spin_us(); off -> 0 end,
    open_port({spawn_executable, bench_setup:program("pipe_port")},
              [{packet, 4}, binary, {args, ["-spin-us", integer_to_list(Micros)]},
               {busy_limits_port, disabled}, {busy_limits_msgq, disabled}]).

%% @doc A frame of this many bytes goes there; done when it has been read.
-spec send(port(), Block :: iodata()) -> ok.
send(Port, Block) ->
    true = port_command(Port, [$s | Block]),
    receive {Port, {data, _}} -> ok end.

%% @doc A frame of this many bytes comes from there.
-spec recv(port(), Size :: pos_integer()) -> binary().
recv(Port, Size) ->
    true = port_command(Port, <<$r, Size:32>>),
    receive {Port, {data, Block}} -> Block end.

%% @doc Waits for so long, in steps finer than the VM's timers have.
-spec rest(port(), Micros :: pos_integer()) -> ok.
rest(Port, Micros) ->
    true = port_command(Port, <<$t, Micros:32>>),
    receive {Port, {data, _}} -> ok end.

%% @doc The lane, and what ends it. A call under way stands in its process dictionary.
-spec lane(on | off) -> {pid(), Stop :: fun(() -> ok)}.
lane(Spin) ->
    Parent = self(),
    Stop = bench_run:server(fun() ->
                                    process_flag(message_queue_data, off_heap),
                                    Parent ! {lane, self()},
                                    serve(open(Spin), 0, [], 0)
                            end),
    {receive {lane, Lane} -> Lane end, Stop}.

-spec call(pid()) -> ok.
call(Lane) ->
    Tag = make_ref(),
    Lane ! {call, self(), Tag, <<0:(8 * (?ELEMENT_BYTES - 4))>>},
    receive {Tag, <<_:32, _/binary>>} -> ok end.

-spec serve(port(), non_neg_integer(), iolist(), non_neg_integer()) -> no_return().
serve(Port, Next, Batch, ?BATCH) ->
    true = port_command(Port, [$e | Batch]),
    serve(Port, Next, [], 0);
serve(Port, Next, Batch, Count) ->
    receive
        Message -> serve(Message, Port, Next, Batch, Count)
    after 0 ->
        _ = Count > 0 andalso port_command(Port, [$e | Batch]),
        receive
            Message -> serve(Message, Port, Next, [], 0)
        end
    end.

-spec serve(term(), port(), non_neg_integer(), iolist(), non_neg_integer()) -> no_return().
serve({call, Pid, Tag, Item}, Port, Next, Batch, Count) ->
    undefined = put(Next, {Pid, Tag}),
    serve(Port, (Next + 1) band 16#ffffffff, [Batch, <<Next:32>> | Item], Count + 1);
serve({Port, {data, <<$e, Elements/binary>>}}, Port, Next, Batch, Count) ->
    answer(Elements),
    serve(Port, Next, Batch, Count).

-spec answer(binary()) -> ok.
answer(<<>>) ->
    ok;
answer(<<Element:?ELEMENT_BYTES/binary, Rest/binary>>) ->
    <<Id:32, _/binary>> = Element,
    {Pid, Tag} = erase(Id),
    Pid ! {Tag, Element},
    answer(Rest).
