%% @private
%% @doc Calls and their waiting. A call is one message to the lane and one answer; every wait of a
%% caller is in this module, entered by a tail call, so that a process waiting for hours holds no other
%% module's code (see {@link gosocket_reload}).
-module(gosocket_wait).

-export([call/3,
         send/4,
         first/2,
         recv/2,
         send/2,
         open/4,
         ask_helper/3,
         ask_lane/2]).

%% For gosocket_reload.
-export([await/3]).

-include("gosocket.hrl").

-export_type([class/0, call/0]).

%% What the lane has to know about a call: `plain' and `open' never wait, `wait' does; `read' and `accept' results
%% are handed back when their receiver is dead, those of `peek' are not; the second half of the name in
%% a select's slot; `cancel' ends a select.
-type class() :: plain | wait | open | read | peek | write | accept | connect | cancel
               %% an option of which the lane keeps a copy is read or set
               | {read | set, gosocket_setting:position()}.

%% A call of the protocol, with the handle's reference in the place of the socket's number, and the time-out as the
%% caller gave it.
-type call() :: tuple().

%% How to read the answer.
-type shape() :: atom()
               | {recv, [binary()]}
               | {info, gosocket_handle:handle()}
               | {cancel, gosocket:socket(), reference()}
               | {send, target(), binary()}
               | {sendmsg, target(), binary(), erlang:iovec()}
               | {open, request(), Attempts :: non_neg_integer()}.

-type request() :: {open | plain, Call :: tuple(), Registered :: boolean(), Lane :: non_neg_integer()}.

%% Where the chunks of a send go.
-type target() :: {Lane :: pid(), Socket :: non_neg_integer()} | {Remote :: pid() | undefined, remote}.

%% How to see that the lane is gone: by nothing yet, or by a monitor.
-type watch() :: Lane :: pid() | Monitor :: reference().

-define(OPEN_ATTEMPTS, 3).

%% Milliseconds for which a caller waits without a monitor.
-define(UNWATCHED, 500).

%% What the requests of every day have room for.
-define(INT32_MAX, 16#7fffffff).

%% Bytes that a result may keep besides twice its own.
-define(KEPT, 1024).

%% Bytes of a send that go to another node with the call; nobody here knows the window there.
-define(REMOTE_WINDOW, (64 bsl 10)).

%% What goes to the lane is a call and, as the tail, its item: that saves memory.
-dialyzer({no_improper_lists, [call/3, send/4, recv/2, send/2, ask/3]}).

-include("gosocket_near.hrl").
-include("gosocket_reload.hrl").

%% @doc `Ref' is the select's for nowait calls, the cancelled one for cancel, else `[]'.
-spec call(class(), Ref :: reference() | [], call()) -> term().
call(Class, Ref, Call) ->
    case gosocket_handle:find(element(2, Call)) of
        {Pid, none, Lane, Socket} ->
            Tag = make_ref(),
            Pid ! [gosocket_request:kept(self(), Tag, Class, Ref, Socket) | gosocket_term:item(gosocket_clock:for_lane(Lane, Socket, Call))],
            case Class =:= plain andalso spin(Lane) of
                false -> await(Tag, Pid, shape(Call));
                Rounds -> poll(Tag, Pid, shape(Call), Rounds)
            end;
        {_Pid, Loading, _Lane, _Socket} ->
            gosocket_reload:hold(Loading, {?MODULE, call, [Class, Ref, Call]});
        {remote, Node} ->
            remote(Node, Class, Ref, Call, none, fun(_Remote) -> shape(Call) end);
        closed ->
            failed(shape(Call), closed)
    end.

%% @doc A call with a payload of this many bytes behind its other elements. The iovec is what sendmsg
%% cuts its rest from.
-spec send(Ref :: reference() | [], call(), Payload :: binary(), erlang:iovec() | undefined) -> term().
send(Ref, Call, Payload, Iovec) ->
    case gosocket_handle:find(element(2, Call)) of
        {Pid, none, #gosocket_lane{words = Words} = Lane, Socket} ->
            Tag = make_ref(),
            Item = gosocket_term:item(gosocket_clock:for_lane(Lane, Socket, Call), first(Payload, atomics:get(Words, ?WINDOW_WORD))),
            Pid ! [gosocket_request:kept(self(), Tag, write, Ref, Socket) | Item],
            await(Tag, Pid, send_shape({Pid, Socket}, Payload, Iovec));
        {_Pid, Loading, _Lane, _Socket} ->
            gosocket_reload:hold(Loading, {?MODULE, send, [Ref, Call, Payload, Iovec]});
        {remote, Node} ->
            remote(Node, write, Ref, Call, first(Payload, ?REMOTE_WINDOW),
                   fun(Remote) -> send_shape({Remote, remote}, Payload, Iovec) end);
        closed ->
            failed(send_shape(undefined, Payload, Iovec), closed)
    end.

%% @doc A receive without flags and time-out.
-spec recv(gosocket_near:near(), Length :: non_neg_integer()) -> term().
recv(#near{socket = {_, Handle}, door = Door, target = {Lane, Number}} = Near, Length) ->
    case Length =< ?INT32_MAX andalso persistent_term:get(Door, none) of
        Lane ->
            Tag = make_ref(),
            Lane ! [{self(), Tag, Number} | gosocket_near:recv_item(Near, Length)],
            await(Tag, Lane, recv);
        _ ->
            call(read, [], {recv, Handle, self(), Length, [], infinity, []})
    end.

%% @doc A send without flags and time-out.
-spec send(gosocket_near:near(), Payload :: binary()) -> term().
send(#near{socket = {_, Handle}, door = Door, target = {Lane, Number} = Target} = Near, Payload) ->
    case byte_size(Payload) =< ?INT32_MAX andalso persistent_term:get(Door, none) of
        Lane ->
            Tag = make_ref(),
            Lane ! [{self(), Tag, write, Number} | gosocket_near:send_item(Near, Payload)],
            await(Tag, Lane, {send, Target, Payload});
        _ ->
            send([], {send, Handle, self(), [], infinity, [], byte_size(Payload)}, Payload, undefined)
    end.

%% A socket of another node's: the call goes to who is the lane of all of that node's sockets here.
-spec remote(node(), class(), reference() | [], call(), Payload, Shape) -> term() when
      Payload :: binary() | none,
      Shape :: fun((Remote :: pid() | undefined) -> shape()).
remote(Node, Class, Ref, Call, Payload, Shape) ->
    case gosocket_nodes:remote(Node) of
        {ok, Remote} ->
            Monitor = monitor(process, Remote),
            Remote ! {call, {self(), Monitor, Class, Ref, element(2, Call)}, gosocket_clock:departing(Call), Payload},
            await(Monitor, Monitor, Shape(Remote));
        {error, Reason} ->
            failed(Shape(undefined), Reason)
    end.

%% @doc What of a payload goes with the call.
-spec first(binary(), Window :: pos_integer()) -> binary().
first(Payload, Window) when byte_size(Payload) =< Window -> Payload;
first(Payload, Window) -> binary_part(Payload, 0, Window).

-spec send_shape(target() | undefined, binary(), erlang:iovec() | undefined) -> shape().
send_shape(Target, Payload, undefined) -> {send, Target, Payload};
send_shape(Target, Payload, Iovec) -> {sendmsg, Target, Payload, Iovec}.

%% @doc What is about no socket yet needs no handle but a lane, of this number, which is started if it does not run. The
%% class is `open', or `plain' for a call that makes no socket.
-spec open(open | plain, Call :: tuple(), Registered :: boolean(), Lane :: non_neg_integer()) -> {ok, term()} | {error, term()}.
open(Class, Call, Registered, Number) ->
    Request = {Class, Call, Registered, Number},
    case gosocket_door:look(Number) of
        {Lane, none} -> ask(Request, ?OPEN_ATTEMPTS, Lane);
        {_Lane, Loading} -> gosocket_reload:hold(Loading, {?MODULE, open, [Class, Call, Registered, Number]});
        none -> start(Request, ?OPEN_ATTEMPTS)
    end.

-spec start(request(), non_neg_integer()) -> {ok, term()} | {error, term()}.
start(_Request, 0) ->
    {error, closed};
start({_, _, _, Number} = Request, Attempts) ->
    case gosocket_start:lane(Number) of
        {ok, Lane} -> ask(Request, Attempts - 1, Lane);
        {error, Reason} -> {error, Reason}
    end.

-spec ask(request(), non_neg_integer(), pid()) -> {ok, term()} | {error, term()}.
ask({Class, Call, Registered, _} = Request, Attempts, Lane) ->
    Monitor = monitor(process, Lane),
    Lane ! [{self(), Monitor, Class, [], Registered} | gosocket_term:item(Call)],
    await(Monitor, Monitor, {open, Request, Attempts}).

%% @doc A question to the helper of this lane, and no other that takes its place.
-spec ask_helper(Lane :: pid(), Number :: non_neg_integer(), Question :: tuple()) -> {ok, term()} | {error, term()}.
ask_helper(Lane, Number, Question) ->
    ask({plain, Question, false, Number}, 0, Lane).

%% @doc A question that the lane answers itself.
-spec ask_lane(pid(), Question :: atom()) -> term() | {error, closed}.
ask_lane(Lane, Question) ->
    Monitor = monitor(process, Lane),
    Lane ! {ask, self(), Monitor, Question},
    await(Monitor, Monitor, Question).

-spec shape(call()) -> shape().
shape({info, Handle}) -> {info, Handle};
shape({cancel, Handle, _, {_, _, Ref}}) -> {cancel, {'$socket', Handle}, Ref};
shape(Call) -> element(1, Call).

%% Rounds of polling, for as long as the lane finds that it is quiet.
-spec spin(#gosocket_lane{}) -> false | pos_integer().
spin(#gosocket_lane{words = Words}) ->
    atomics:get(Words, ?QUIET_WORD) =:= 1 andalso rounds(atomics:get(Words, ?SPIN_WORD)).

-spec rounds(non_neg_integer()) -> false | pos_integer().
rounds(0) -> false;
rounds(Rounds) -> Rounds.

-spec poll(reference(), pid(), shape(), non_neg_integer()) -> term().
poll(Tag, Lane, Shape, 0) ->
    await(Tag, Lane, Shape);
poll(Tag, Lane, Shape, Rounds) ->
    receive
        {Tag, Answer} -> answer(Answer, Tag, Lane, Shape)
    after 0 ->
        %% a scheduler with nothing to run does not go to sleep behind a process that yields
        erlang:bump_reductions(4000),
        erlang:yield(),
        poll(Tag, Lane, Shape, Rounds - 1)
    end.

%% Most answers come sooner than a monitor pays. A lane that ends in order answers its callers; of one that was killed
%% they hear when they have waited for so long.
-spec await(reference(), watch(), shape()) -> term().
await(Tag, Lane, Shape) when is_pid(Lane) ->
    receive
        {Tag, Answer} -> answer(Answer, Tag, Lane, Shape)
    after ?UNWATCHED ->
        await(Tag, monitor(process, Lane), Shape)
    end;
await(Monitor, Monitor, Shape) ->
    %% with one reference to wait for the VM passes over what was in the mailbox before it
    receive
        {Monitor, Answer} -> answer(Answer, Monitor, Monitor, Shape);
        {'DOWN', Monitor, process, Lane, Reason} -> down(Shape, Lane, Reason)
    end;
await(Tag, Monitor, Shape) ->
    receive
        {Tag, Answer} -> answer(Answer, Tag, Monitor, Shape);
        {'DOWN', Monitor, process, Lane, Reason} -> down(Shape, Lane, Reason)
    end.

-spec unwatch(watch()) -> true.
unwatch(Lane) when is_pid(Lane) -> true;
unwatch(Monitor) -> demonitor(Monitor, [flush]).

%% Results first, the frequent ones without a term in between. Other frames do not end the call. What is
%% no binary comes from the lane itself.
-spec answer(term(), reference(), watch(), shape()) -> term().
answer(ok, _Tag, Watch, _Shape) ->
    unwatch(Watch),
    ok;
answer({ok, Data} = Result, _Tag, Watch, Shape) when is_binary(Data) ->
    unwatch(Watch),
    finish(Shape, Result);
answer({part, Data}, _Tag, Watch, Shape) ->
    unwatch(Watch),
    finish(Shape, {ok, own(Data)});
answer(<<?ANSWER(_), ?OK>>, _Tag, Watch, Shape) ->
    unwatch(Watch),
    finish(Shape, ok);
answer(<<?ANSWER(_), ?OK_HEAD, 109, Size:32, Data:Size/binary>>, _Tag, Watch, Shape) ->
    unwatch(Watch),
    finish(Shape, {ok, Data});
answer(<<?ANSWER(_), _/binary>> = Frame, _Tag, Watch, Shape) ->
    unwatch(Watch),
    {_Id, Result} = binary_to_term(Frame),
    finish(Shape, Result);
answer(<<131, 104, 3, 119, 4, "more", 98, _Id:32, 109, Size:32, Data:Size/binary>>, Tag, Watch, Shape) ->
    await(Tag, Watch, more(Shape, Data));
answer(Frame, Tag, Watch, Shape) when is_binary(Frame) ->
    {want, Id, Offset, Bytes} = binary_to_term(Frame),
    {Target, Payload} = payload(Shape),
    chunk(Target, Tag, Id, Offset, binary_part(Payload, Offset, Bytes)),
    await(Tag, Watch, Shape);
answer({leave, Loading}, Tag, Watch, Shape) ->
    gosocket_reload:leave(Loading, {?MODULE, await, [Tag, Watch, Shape]});
answer({gone, Lane, Reason}, _Tag, Watch, Shape) ->
    unwatch(Watch),
    down(Shape, Lane, Reason);
answer({failed, Reason}, _Tag, Watch, Shape) ->
    unwatch(Watch),
    failed(Shape, Reason);
answer(Result, _Tag, Watch, _Shape) ->
    unwatch(Watch),
    Result.

%% A small result must not keep all of a copy that the lane had.
-spec own(binary()) -> binary().
own(Data) ->
    case binary:referenced_byte_size(Data) > 2 * byte_size(Data) + ?KEPT of
        true -> binary:copy(Data);
        false -> Data
    end.

-spec chunk(target(), reference(), non_neg_integer(), non_neg_integer(), binary()) -> ok.
chunk({Remote, remote}, Tag, Id, Offset, Data) ->
    Remote ! {chunk, Tag, Id, Offset, Data},
    ok;
chunk({Lane, Socket}, _Tag, Id, Offset, Data) ->
    Lane ! {chunk, gosocket_term:item({chunk, Socket, Id, Offset}, Data)},
    ok.

-spec more(shape(), binary()) -> shape().
more({recv, Data}, More) -> {recv, [More | Data]};
more(recv, More) -> {recv, [More]}.

-spec payload(shape()) -> {target(), binary()}.
payload({send, Target, Payload}) -> {Target, Payload};
payload({sendmsg, Target, Payload, _Iovec}) -> {Target, Payload}.

%% The lane is gone. Only an open tries again: it wants a socket of whatever helper runs. One that was stopped
%% in order is not started again behind the back of who did that.
-spec down(shape(), Lane :: pid(), Reason :: term()) -> term().
down({open, _, _}, _Lane, {shutdown, {no_helper, Posix}}) ->
    {error, gosocket_helper:errno(Posix)};
down({open, _, _} = Shape, _Lane, shutdown) ->
    failed(Shape, closed);
down({open, Request, Attempts}, _Lane, _Reason) ->
    start(Request, Attempts);
down({cancel, _, _} = Shape, Lane, _Reason) ->
    %% the abort of what was to be cancelled must not come later
    gosocket_guardian:await_gone(Lane),
    failed(Shape, closed);
down(Shape, _Lane, _Reason) ->
    failed(Shape, closed).

%% The helper's result as this call's.
-spec finish(shape(), Result :: term()) -> term().
finish(_Shape, {raise, Reason}) ->
    erlang:error(Reason);
finish({recv, Parts}, Result) ->
    join(Parts, Result);
finish({send, _, Payload}, {ok, {Remaining, SelectInfo}}) ->
    {ok, {rest(Payload, Remaining), SelectInfo}};
finish({sendmsg, _, Payload, Iovec}, {ok, Remaining}) ->
    {ok, gosocket_iovec:drop(byte_size(Payload) - Remaining, Iovec)};
finish({info, _}, {ok, Info}) ->
    Info;
finish({info, Handle}, {error, _}) ->
    gosocket_handle:final_info(Handle);
finish({cancel, Socket, Ref}, Result) ->
    unselect(Socket, Ref, Result);
finish(_Shape, Result) ->
    Result.

%% A failure that the helper did not report, as this call's.
-spec failed(shape(), Reason :: atom()) -> term().
failed({send, _, Payload}, Reason) -> {error, {Reason, byte_size(Payload)}};
failed({recv, Parts}, Reason) -> join(Parts, {error, Reason});
failed({info, Handle}, _Reason) -> gosocket_handle:final_info(Handle);
failed({cancel, Socket, Ref}, Reason) -> unselect(Socket, Ref, {error, Reason});
failed(_Shape, Reason) -> {error, Reason}.

%% Parts of a receive stand last first.
-spec join([binary()], Result :: term()) -> term().
join(Parts, {ok, {Data, SelectInfo}}) -> {ok, {join_data(Parts, Data), SelectInfo}};
join(Parts, {ok, Data}) -> {ok, join_data(Parts, Data)};
join(Parts, {error, {Reason, Data}}) -> {error, {Reason, join_data(Parts, Data)}};
join(Parts, {select, SelectInfo}) -> {ok, {join_data(Parts, <<>>), SelectInfo}};
join(Parts, {error, Reason}) -> {error, {Reason, join_data(Parts, <<>>)}}.

-spec join_data([binary()], binary()) -> binary().
join_data(Parts, Data) ->
    iolist_to_binary(lists:reverse(Parts, [Data])).

-spec rest(binary(), non_neg_integer()) -> binary().
rest(Payload, Remaining) ->
    binary_part(Payload, byte_size(Payload), -Remaining).

%% Who has cancelled gets no message any more, not even one that was sent before.
-spec unselect(gosocket:socket(), reference(), Result) -> Result.
unselect(Socket, Ref, Result) when Result =:= ok; Result =:= {error, closed} ->
    receive
        {'$socket', Socket, select, Ref} -> Result;
        {'$socket', Socket, abort, {Ref, _}} -> Result
    after 0 ->
        Result
    end;
unselect(_Socket, _Ref, Result) ->
    Result.
