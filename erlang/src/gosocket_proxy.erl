%% @private
%% @doc Calls at home for the processes of one other node. To the lane it is the caller, a local one that
%% is always there to take an answer; it carries all answers, selects and aborts to the other node's
%% {@link gosocket_remote} in order, without ever being suspended: a node that does not read holds up
%% nobody but its own callers.
-module(gosocket_proxy).

-behaviour(gen_server).

-export([start_link/1]).

-export([init/1,
         handle_call/3,
         handle_cast/2,
         handle_info/2]).

-include("gosocket.hrl").

%% What goes to the lane is a call and, as the tail, its item.
-dialyzer({no_improper_lists, [call/5]}).

%% Bytes under way that the other node has not confirmed.
-define(WINDOW, (2 bsl 20)).
%% A call has one result, or two parts of one, so that many bytes wait for that when many calls have large results. A node
%% that confirms nothing for so many milliseconds while more than this waits counts as gone.
-define(QUEUE_LIMIT, (64 bsl 20)).
-define(STALLED, 5000).
%% What a message takes besides its payload.
-define(MESSAGE_SIZE, 200).

-record(proxy,
        {remote :: pid(),
         calls = #{} :: #{Tag :: reference() => call()},
         lanes = #{} :: #{pid() => Monitor :: reference()},
         queue = queue:new() :: queue:queue({tuple(), pos_integer(), result()}),
         queued = 0 :: non_neg_integer(),
         %% sent and not confirmed, and the number of the last one confirmed: `attached' is 0
         flying = queue:new() :: queue:queue({pos_integer(), result()}),
         unconfirmed = 0 :: non_neg_integer(),
         confirmed = -1 :: integer(),
         %% a timer looks whether it confirms anything
         watched = false :: boolean(),
         %% a process that is suspended until the connection takes more
         probe = none :: none | {pid(), reference()}}).

-type call() :: {Lane :: pid(), Socket :: non_neg_integer(), Finish :: finish()}.
%% What becomes of the result: info of a closed socket is in its handle; a dead process gets no socket.
-type finish() :: plain | {info, gosocket_handle:handle()} | {give_to_dead, Caller :: pid()}.
%% What the lane wants to know about: its frame of that number.
-type result() :: none | {Lane :: pid(), Frame :: pos_integer()}.
-type state() :: #proxy{}.
-type next() :: {noreply, state()} | {stop, {shutdown, term()}, state()}.

-spec start_link(Remote :: pid()) -> {ok, pid()}.
start_link(Remote) ->
    {ok, _} = gen_server:start_link(?MODULE, Remote, []).

-spec init(pid()) -> {ok, state()}.
init(Remote) ->
    monitor(process, Remote),
    {ok, relay({attached, self()}, none, #proxy{remote = Remote})}.

-spec handle_call(term(), {pid(), term()}, state()) -> {noreply, state()}.
handle_call(_Request, _From, Proxy) ->
    {noreply, Proxy}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Request, Proxy) ->
    {noreply, Proxy}.

-spec handle_info(term(), state()) -> next().
handle_info({call, Tag, Caller, Class, Ref, Handle, Call, Payload}, Proxy) ->
    next(call({Tag, Caller, Class, Ref, Handle}, Call, Payload, Proxy));
handle_info({{far, _Caller, Tag}, Answer}, Proxy) ->
    next(answer(Tag, Answer, Proxy));
handle_info({{far, _Caller, Tag}, Answer, Result}, Proxy) ->
    next(answer(Tag, Answer, Result, Proxy));
handle_info({message, Pid, Message}, Proxy) ->
    next(relay({message, Pid, Message}, none, Proxy));
handle_info({chunk, Tag, Id, Offset, Data}, #proxy{calls = Calls} = Proxy) ->
    _ = case Calls of
            #{Tag := {Lane, Socket, _}} -> Lane ! {chunk, gosocket_term:item({chunk, Socket, Id, Offset}, Data)};
            _ -> ok
        end,
    next(Proxy);
handle_info({arrived, Count, Lost}, Proxy) ->
    next(pump(confirm(Count, Lost, Proxy)));
handle_info({'DOWN', _, process, Remote, _}, #proxy{remote = Remote} = Proxy) ->
    {stop, {shutdown, closed}, Proxy};
handle_info({'DOWN', Monitor, process, _, _}, #proxy{probe = {_, Monitor}} = Proxy) ->
    next(pump(Proxy#proxy{probe = none}));
handle_info({'DOWN', _, process, Lane, _}, Proxy) ->
    %% what the guardian sends comes before the answers: who cancels gets no abort afterwards
    gosocket_guardian:await_gone(Lane),
    self() ! {gone, Lane},
    next(Proxy);
handle_info({gone, Lane}, Proxy) ->
    next(gone(Lane, Proxy));
handle_info({sync, Lane, Process}, Proxy) ->
    Lane ! {far, {synced, self(), Process}},
    next(Proxy);
handle_info({stalled, Confirmed}, #proxy{confirmed = Confirmed, queued = Queued, remote = Remote} = Proxy) when Queued > ?QUEUE_LIMIT ->
    logger:warning("gosocket: ~tp does not take its results, ~w bytes wait: its calls end", [node(Remote), Queued]),
    {stop, {shutdown, too_slow}, Proxy};
handle_info({stalled, _}, Proxy) ->
    next(Proxy#proxy{watched = false});
handle_info({detach}, Proxy) ->
    {stop, {shutdown, detached}, Proxy};
handle_info(_Other, Proxy) ->
    next(Proxy).

-spec next(state()) -> next().
next(#proxy{queued = Queued, watched = false, confirmed = Confirmed} = Proxy) when Queued > ?QUEUE_LIMIT ->
    _ = erlang:send_after(?STALLED, self(), {stalled, Confirmed}),
    {noreply, Proxy#proxy{watched = true}};
next(Proxy) ->
    {noreply, Proxy}.

%% ---- Calls

-spec call({reference(), pid(), gosocket_wait:class(), reference() | [], gosocket_handle:handle()},
           gosocket_wait:call(), binary() | none, state()) -> state().
call({Tag, _, _, _, Handle} = Head, Call, Payload, Proxy) ->
    case find(Handle) of
        {Pid, _Loading, Lane, Socket} ->
            call(Head, gosocket_clock:for_lane(Lane, Socket, Call), Payload, {Pid, Lane}, Proxy);
        closed when element(1, Call) =:= info ->
            relay({answer, Tag, gosocket_handle:final_info(Handle)}, none, Proxy);
        _ ->
            relay({answer, Tag, {failed, closed}}, none, Proxy)
    end.

%% A handle that only other nodes still had when its socket closed is a plain reference when it comes back.
-spec find(gosocket_handle:handle()) -> gosocket_handle:found() | closed | {remote, node()} | collected.
find(Handle) ->
    try
        gosocket_handle:find(Handle)
    catch
        error:badarg -> collected
    end.

-spec call({reference(), pid(), gosocket_wait:class(), reference() | [], gosocket_handle:handle()},
           gosocket_wait:call(), binary() | none, {pid(), #gosocket_lane{}}, state()) -> state().
call({Tag, Caller, Class, Ref, Handle}, Call, Payload, {Lane, #gosocket_lane{words = Words}}, Proxy) ->
    Window = atomics:get(Words, ?WINDOW_WORD),
    {Item, Finish} = item(Call, Payload, Window, Class, Handle),
    #proxy{calls = Calls} = Known = know(Lane, Proxy),
    Socket = element(2, Call),
    Lane ! [{self(), {far, Caller, Tag}, Class, Ref, Socket} | Item],
    Known#proxy{calls = Calls#{Tag => {Lane, Socket, Finish}}}.

-spec item(gosocket_wait:call(), binary() | none, pos_integer(), gosocket_wait:class(), gosocket_handle:handle()) ->
          {gosocket_term:item(), finish()}.
item(Call, Payload, Window, _Class, _Handle) when is_binary(Payload) ->
    {gosocket_term:item(Call, binary_part(Payload, 0, min(Window, byte_size(Payload)))), plain};
item(Call, none, _Window, Class, _Handle) when Class =:= read; Class =:= accept ->
    {gosocket_term:item({far, Call}), plain};
item({setopt, _, _, otp, debug, true} = Call, none, _Window, _Class, Handle) ->
    gosocket_setting:debugged(Handle),
    {gosocket_term:item(Call), plain};
item({info, _} = Call, none, _Window, _Class, Handle) ->
    {gosocket_term:item(Call), {info, Handle}};
item({setopt, Socket, Caller, otp, controlling_process, Pid} = Call, none, _Window, _Class, _Handle)
  when node(Pid) =:= node() ->
    %% only here can be told whether the process lives
    case is_process_alive(Pid) of
        true -> {gosocket_term:item(Call), plain};
        false -> {gosocket_term:item({getopt, Socket, otp, controlling_process}), {give_to_dead, Caller}}
    end;
item(Call, none, _Window, _Class, _Handle) ->
    {gosocket_term:item(Call), plain}.

-spec know(Lane :: pid(), state()) -> state().
know(Lane, #proxy{lanes = Lanes} = Proxy) when is_map_key(Lane, Lanes) ->
    Proxy;
know(Lane, #proxy{lanes = Lanes} = Proxy) ->
    Lane ! {far, {proxy, self(), node(Proxy#proxy.remote)}},
    Proxy#proxy{lanes = Lanes#{Lane => monitor(process, Lane)}}.

%% Its sockets are gone. The guardian sends the aborts.
-spec gone(Lane :: pid(), state()) -> state().
gone(Lane, #proxy{lanes = Lanes, calls = Calls} = Proxy) ->
    {Gone, Others} = lists:partition(fun({_, Call}) -> element(1, Call) =:= Lane end, maps:to_list(Calls)),
    lists:foldl(fun({Tag, _}, P) -> relay({answer, Tag, {failed, closed}}, none, P) end,
                Proxy#proxy{lanes = maps:remove(Lane, Lanes), calls = maps:from_list(Others)}, Gone).

%% ---- Answers

-spec answer(reference(), Answer :: term(), state()) -> state().
answer(_Tag, {leave, Loading}, Proxy) ->
    %% nobody waits in the code that is loaded again
    gosocket_reload:decline(Loading),
    Proxy;
answer(Tag, dropped, #proxy{calls = Calls} = Proxy) ->
    Proxy#proxy{calls = maps:remove(Tag, Calls)};
answer(Tag, Answer, #proxy{calls = Calls} = Proxy) ->
    case Calls of
        #{Tag := {_, _, Finish}} -> relay({answer, Tag, finish(Finish, Answer)}, none, answered(Tag, Answer, Proxy));
        _ -> Proxy
    end.

%% A result that the lane takes back if it gets lost.
-spec answer(reference(), Answer :: term(), Result :: pos_integer(), state()) -> state().
answer(Tag, Answer, Result, #proxy{calls = Calls} = Proxy) ->
    #{Tag := {Lane, _, _}} = Calls,
    relay({answer, Tag, Answer}, {Lane, Result}, answered(Tag, Answer, Proxy)).

-spec answered(reference(), Answer :: term(), state()) -> state().
answered(Tag, Answer, #proxy{calls = Calls} = Proxy) ->
    case gosocket_term:is_final(Answer) of
        true -> Proxy#proxy{calls = maps:remove(Tag, Calls)};
        false -> Proxy
    end.

-spec finish(finish(), Answer :: term()) -> term().
finish({info, Handle}, <<?ANSWER(_), 104, 2, 119, 5, "error", _/binary>>) ->
    gosocket_handle:final_info(Handle);
finish({give_to_dead, Caller}, <<?ANSWER(_), _/binary>> = Frame) ->
    case binary_to_term(Frame) of
        {_Id, {ok, Caller}} -> {error, einval};
        {_Id, {ok, _}} -> {error, not_owner};
        {_Id, {error, Reason}} -> {error, Reason}
    end;
finish(_Finish, Answer) ->
    Answer.

%% ---- To the other node

-spec relay(tuple(), result(), state()) -> state().
relay(Message, Result, #proxy{queue = Queue, queued = Queued} = Proxy) ->
    Size = ?MESSAGE_SIZE + payload(Message),
    pump(Proxy#proxy{queue = queue:in({Message, Size, Result}, Queue), queued = Queued + Size}).

-spec payload(tuple()) -> non_neg_integer().
payload({answer, _, Frame}) when is_binary(Frame) -> byte_size(Frame);
payload(_) -> 0.

-spec pump(state()) -> state().
pump(#proxy{probe = none, queued = Queued, unconfirmed = Unconfirmed, remote = Remote, queue = Queue} = Proxy)
  when Queued > 0, Unconfirmed < ?WINDOW ->
    {{value, {Message, Size, Result}}, Rest} = queue:out(Queue),
    case erlang:send(Remote, Message, [nosuspend, noconnect]) of
        ok ->
            pump(Proxy#proxy{queue = Rest,
                             queued = Queued - Size,
                             flying = queue:in({Size, Result}, Proxy#proxy.flying),
                             unconfirmed = Unconfirmed + Size});
        nosuspend ->
            Proxy#proxy{probe = spawn_monitor(fun() -> erlang:send(Remote, flow, [noconnect]) end)};
        noconnect ->
            %% its monitor says so, too
            Proxy
    end;
pump(Proxy) ->
    Proxy.

-spec confirm(Count :: non_neg_integer(), Lost :: [pos_integer()], state()) -> state().
confirm(Count, _Lost, #proxy{confirmed = Count} = Proxy) ->
    Proxy;
confirm(Count, Lost, #proxy{confirmed = Confirmed, flying = Flying, unconfirmed = Unconfirmed} = Proxy) ->
    {{value, {Size, Result}}, Rest} = queue:out(Flying),
    Number = Confirmed + 1,
    settle(Result, case lists:member(Number, Lost) of
                       true -> lost;
                       false -> arrived
                   end),
    confirm(Count, Lost, Proxy#proxy{confirmed = Number, flying = Rest, unconfirmed = Unconfirmed - Size}).

-spec settle(result(), arrived | lost) -> ok.
settle(none, _How) ->
    ok;
settle({Lane, Result}, How) ->
    Lane ! {far, {settled, self(), Result, How}},
    ok.
