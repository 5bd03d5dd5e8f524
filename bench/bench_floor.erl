%% @doc The floor of streams of small messages: gosocket's own functions before a lane that answers each send and each receive at
%% once, out of what it has, and drives no helper. What they cost is a message to the lane and one back.
-module(bench_floor).

-export([burst/1, exchange/2]).

%% In the other node.
-export([repeat/2]).

-include("gosocket.hrl").

%% No other lane has this number.
-define(NUMBER, 255).
-define(WINDOW, (1 bsl 18)).

%% What a request for a receive ends with: its length, no flags, no time-out, no reference.
-define(END_OF_RECV(Length), 98, Length:32, 106, 119, 8, "infinity", 106).
-define(END_SIZE, 17).

%% @doc As bench_stream:burst/3, both ends in this node.
-spec burst(float()) -> bench_run:result().
burst(Seconds) ->
    {Socket, Stop} = lane(),
    StopOther = bench_run:server(fun() -> bench_stream:answer(Socket) end),
    bench_run:rate([fun() -> fun() -> bench_stream:exchanged(Socket) end end], Seconds,
                   fun() -> StopOther(), Stop() end).

%% @doc As bench_ttest:exchange/5, each end in a node of its own.
-spec exchange(bench_ttest:kind(), float()) -> bench_run:result().
exchange(Kind, Seconds) ->
    Other = spawn(bench_remote:home(), ?MODULE, repeat, [self(), Kind]),
    receive {Other, started} -> ok end,
    {Socket, Stop} = lane(),
    bench_run:rate([fun() -> bench_ttest:step(Socket, passive, Kind) end], Seconds,
                   fun() -> exit(Other, kill), Stop() end).

%% @doc Does the same for as long as the other node asks for it.
-spec repeat(pid(), bench_ttest:kind()) -> no_return().
repeat(Client, Kind) ->
    {Socket, _Stop} = lane(),
    Client ! {self(), started},
    forever(bench_ttest:step(Socket, passive, Kind)).

-spec forever(bench_run:step()) -> no_return().
forever(Step) ->
    1 = Step(),
    forever(Step).

%% Its end is that of who asks for it, or the fun's.
-spec lane() -> {bench_api:socket(), Stop :: fun(() -> ok)}.
lane() ->
    Parent = self(),
    Lane = spawn_link(fun() ->
        process_flag(message_queue_data, off_heap),
        Known = gosocket_door:make(?NUMBER, gosocket_setting:new()),
        Incarnation = gosocket_door:open(?NUMBER, Known, [{?WINDOW_WORD, ?WINDOW}]),
        Parent ! {self(), gosocket_handle:new({?NUMBER, Incarnation}, 1, {2, 1, 6, 0})},
        serve(binary:copy(<<"x">>, 1 bsl 16))
    end),
    Handle = receive {Lane, Made} -> Made end,
    {{gosocket, {'$socket', Handle}},
     fun() ->
         gosocket_door:close(?NUMBER, Lane),
         unlink(Lane),
         exit(Lane, kill),
         ok
     end}.

-spec serve(binary()) -> no_return().
serve(Data) ->
    receive
        [{Pid, Tag, write, _Socket} | _Item] ->
            Pid ! {Tag, ok},
            serve(Data);
        [{Pid, Tag, _Socket} | Item] ->
            <<?END_OF_RECV(Length)>> = binary_part(Item, byte_size(Item), -?END_SIZE),
            Pid ! {Tag, {ok, binary_part(Data, 0, Length)}},
            serve(Data)
    end.
